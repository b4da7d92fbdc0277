"""Where the data comes from, how the pipeline is and how old something is, in the words of every page."""

from __future__ import annotations

import time
from typing import Any

from pipeline.disk import GIGABYTE
from pipeline.retention import KEPT, days
from pipeline.serving import SILENT_SECONDS, Freshness

LABELS = {"simulator": "SIMULATED", "opensky": "OpenSky", "replay": "REPLAY"}


def pipeline_words(status: dict[str, Any] | None, now: float | None = None) -> tuple[str, str]:
    """The pipeline's state in a few words, and the colour that goes with it; `now` in s since 1970."""
    if status is None:
        return "no pipeline has run here", "secondary"
    if status["doing"] != "stopped" and (time.time() if now is None else now) - status["at"] > SILENT_SECONDS:
        return "the driver is silent", "error"
    if status["trouble"]:
        return status["trouble"]["cause"], "error"
    resting = [part for part in status["parts"].values() if part["state"] == "stopped" and part.get("optional")]
    states = [part["state"] for part in status["parts"].values() if part not in resting]
    bad = [name for name, part in status["parts"].items() if part["state"] in ("failed", "stalled")]
    if bad:
        return f"{', '.join(bad)} {status['parts'][bad[0]]['state']}", "error"
    running = sum(state in ("running", "done") for state in states)
    if running == len(states):
        return "all running", "success"
    if running == 0:
        return status["doing"], "secondary" if status["doing"] == "stopped" else "info"
    return f"{running} of {len(states)} running", "warning"


def freshness_words(fresh: Freshness) -> str:
    """How old the data is and, when it is old, why."""
    age = "no data yet" if fresh.age_seconds is None else f"{age_words(fresh.age_seconds)} old"
    return f"{age}: {fresh.reason}" if fresh.reason else age


def housekeeping_words(report: dict[str, Any], now: float) -> str:
    """When housekeeping was done last (`ops/maintenance.json`), and what it did; `now` in s since 1970."""
    return f"Housekeeping {age_words(max(0.0, now - report['at']))} ago: {round_words(report)}"


def round_words(report: dict[str, Any]) -> str:
    """What a round of housekeeping did, in a sentence or a few."""
    before, after = (sum(counts[place] for counts in report["tables"].values()) for place in (0, 1))
    told = [f"{before:,} files are {after:,} now" if before != after else f"{after:,} files, none to put together"]
    if report["vacuumed_at"] == report["at"]:
        told.append(f"what was out of use for {days(KEPT)} days is deleted")
    if deleted := report["checkpoints_deleted"]:
        told.append(f"{deleted} old checkpoint{'s' if deleted > 1 else ''} deleted")
    if report["used_bytes"]:
        told.append(f"{report['used_bytes'] / GIGABYTE:,.2f} GB in use")
    return " ".join([f"{', '.join(told)}.", *report["trouble"], *([report["full"]] if report["full"] else [])])


def age_words(seconds: float) -> str:
    """An age as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.0f} h"
