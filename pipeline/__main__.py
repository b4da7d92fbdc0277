"""The command line: `contrail COMMAND`, the same as `python -m pipeline COMMAND`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pipeline import ops, settings
from pipeline.errors import ContrailError, StreamError
from pipeline.settings import Settings
from pipeline.tables import lake_of


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 when all is well, 1 with a sentence on standard error when not."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        chosen = {name: getattr(options, name, None) for name in ("source", "file", "speed", "aircraft", "box")}
        return int(options.command(settings.load(**chosen), options))
    except ContrailError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("contrail", description="A live air-traffic lakehouse.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="feed, Kafka and all streams, without a page")
    _add_feed_options(run)
    run.add_argument("--exit-when-done", action="store_true", help="stop when every stream has taken all that was fed")
    run.set_defaults(command=_run)

    status = commands.add_parser("status", help="what runs, how fast, how far behind")
    status.add_argument("--json", action="store_true", help="as JSON")
    _add_source_option(status)
    status.set_defaults(command=_status)

    audit = commands.add_parser("audit", help="prove from the tables that no row is lost or counted twice")
    audit.add_argument("--json", action="store_true", help="as JSON")
    _add_source_option(audit)
    audit.set_defaults(command=_audit)

    quota = commands.add_parser("quota", help="what OpenSky's credits allow: calls, interval, how long they last")
    quota.add_argument("--box", help="lamin,lomin,lamax,lomax in degrees, or world")
    quota.set_defaults(command=_quota)

    record = commands.add_parser("record", help="write a feed's answers to a file, for replay")
    record.add_argument("into", metavar="FILE", type=Path, help="the recording: .jsonl or .jsonl.gz")
    record.add_argument("--answers", type=int, help="stop after so many answers")
    _add_feed_options(record)
    record.set_defaults(command=_record)

    topics = commands.add_parser("topics", help="the Kafka topic: partitions and offsets")
    _add_source_option(topics)
    topics.set_defaults(command=_topics)
    return parser


def _add_source_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", help="whose lake: simulator, opensky or replay (CONTRAIL_SOURCE)")


def _add_feed_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", help="simulator, opensky or replay (CONTRAIL_SOURCE)")
    parser.add_argument("--file", help="the recording to replay (CONTRAIL_FILE)")
    parser.add_argument("--speed", help="times faster than recorded; 0 is as fast as possible (CONTRAIL_SPEED)")
    parser.add_argument("--aircraft", help="aircraft of the simulated sky (CONTRAIL_AIRCRAFT)")
    parser.add_argument("--box", help="lamin,lomin,lamax,lomax in degrees, or world (CONTRAIL_BOX)")


def _run(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.supervisor import Supervisor

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    supervisor = Supervisor(chosen, lambda words: print(words, flush=True))
    supervisor.open()
    try:
        supervisor.start()
        said = ""
        while not stop.wait(1):
            said = _say_if_new(_line(supervisor.status()), said)
            if options.exit_when_done and supervisor.feed_ended():
                supervisor.drain().result()
                _say_if_new(_line(supervisor.status()), said)
                return 0
            if options.exit_when_done and (broken := supervisor.failed()):
                raise StreamError(f"{broken.name} failed: {broken.cause} {broken.cure}")
        return 0
    finally:
        supervisor.close()


def _line(status: dict[str, Any]) -> str:
    """A line of progress: rows that each part has taken."""
    parts = status["parts"].values()
    return "  ".join(f"{part['name']} {part['rows_total']:,}{_mark(part['state'])}" for part in parts)


def _mark(state: str) -> str:
    return "" if state in ("running", "stopped", "done") else f" ({state})"


def _say_if_new(line: str, said: str) -> str:
    if line != said:
        print(line, flush=True)
    return line


def _status(chosen: Settings, options: argparse.Namespace) -> int:
    lake = lake_of(chosen)
    status = ops.read(lake, ops.STATUS)
    if status is None:
        print(f"No pipeline has run on {lake.root} yet: `contrail run` starts one.", file=sys.stderr)
        return 1
    status["age_seconds"] = round(time.time() - status["at"], 1)
    if options.json:
        print(json.dumps(status, indent=2))
        return 0
    silent = status["age_seconds"] > 10 and status["doing"] != "stopped"
    print(
        f"{status['source']} sky in {lake.root}: {'the driver is gone' if silent else status['doing']}, {status['age_seconds']:.0f} s ago"
    )
    for part in status["parts"].values():
        batch = f"{part['batch_ms']} ms a batch" if part["batch_ms"] else ""
        trouble = f"{part['cause'] or ''} {part['cure'] or ''}".strip()
        print(f"  {part['name']:<20} {part['state']:<9} {part['rows_total']:>12,} rows  {batch:<18} {trouble}".rstrip())
    return 0


def _audit(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.audit import audit

    report = audit(lake_of(chosen), lambda words: print(words, file=sys.stderr, flush=True))
    print(json.dumps(report.as_dict(), indent=2) if options.json else report.as_text())
    return 0 if report.holds else 1


def _quota(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.producer import ledger_of, plan_of

    plan, ledger = plan_of(chosen), ledger_of(dataclasses.replace(chosen, source="opensky"))
    area = "the world" if chosen.box is None else f"{plan.square_degrees:,.1f} square degrees"
    print(f"Account {plan.account}: {plan.credits_a_day:,} credits a day, {ledger.left:,} left today.")
    print(f"A call for {area} costs {plan.credits_a_call}.")
    print(
        f"Plan: a call every {plan.interval_seconds:,.1f} s, {plan.calls_a_day:,} calls a day, {plan.reserve:.0%} kept in reserve."
    )
    print(f"So the credits last the day around; every 15 s they would last {plan.lasts_hours(15):,.1f} h.")
    return 0


def _record(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.producer import source_of
    from pipeline.sources.recording import record

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    written = record(source_of(chosen), options.into, options.answers, stop, lambda words: print(words, flush=True))
    print(f"{written} answers in {options.into}")
    return 0


def _topics(chosen: Settings, options: argparse.Namespace) -> int:
    from pipeline.broker import end_offsets

    servers = chosen.kafka or (ops.read(lake_of(chosen), ops.STATUS) or {}).get("kafka")
    if not servers:
        print("No Kafka runs: `contrail run` starts the embedded one, or set CONTRAIL_KAFKA.", file=sys.stderr)
        return 1
    offsets = end_offsets(servers, chosen.topic)
    print(f"{chosen.topic} on {servers}: {len(offsets)} partitions")
    for partition, (first, following) in sorted(offsets.items()):
        print(f"  partition {partition}: offsets {first:,} to {following:,}, {following - first:,} messages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
