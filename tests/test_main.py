"""The command line, as its users run it: processes of its own, ended, killed and fed wrong values."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from pipeline import ops, resets
from pipeline.drill.processes import contrail, descendants, finished, started, wait_until
from pipeline.lease import FileLock
from pipeline.tables import Lake
from tests.comparison import assert_tables_equal_oracle


def call(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"CONTRAIL_DATA": str(tmp_path / "data")}
    return finished(contrail(*arguments), environment, tmp_path)


def published(tmp_path: Path) -> dict:
    return ops.read(Lake(str(tmp_path / "data" / "lake")), ops.STATUS) or {"parts": {}}


def taken(tmp_path: Path, name: str) -> int:
    return published(tmp_path)["parts"].get(name, {}).get("rows_total", 0)


def test_a_recording_goes_all_the_way_and_every_row_is_accounted_for(tmp_path, recording):
    ran = call(tmp_path, "run", "--source", "replay", "--file", str(recording), "--speed", "0", "--exit-when-done")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    audited = call(tmp_path, "audit", "--json")
    assert audited.returncode == 0, audited.stdout
    report = json.loads(audited.stdout)
    assert report["holds"]
    assert report["observations"] > 1_000
    told = json.loads(call(tmp_path, "status", "--json").stdout)
    assert {part["state"] for part in told["parts"].values()} <= {"stopped", "done"}
    assert told["parts"]["silver"]["rows_total"] == report["messages"]
    assert told["parts"]["phase_predictions"]["batches"] == 0  # no model is saved, and nothing lacks for it
    refused = call(tmp_path, "run", "--source", "simulator")
    assert refused.returncode == 1
    assert "holds the sky of the feed 'replay'" in refused.stderr


def test_kills_in_the_middle_change_nothing_while_house_is_kept_every_three_seconds(tmp_path, recording):
    environment = {"CONTRAIL_DATA": str(tmp_path / "data"), "CONTRAIL_MAINTENANCE_MINUTES": "0.05"}
    slowly = contrail("run", "--source", "replay", "--file", str(recording), "--speed", "6")
    with started(slowly, environment, tmp_path / "log") as driver:
        wait_until(lambda: taken(tmp_path, "silver") > 0, 300, "silver's first batch")
        refused = call(tmp_path, "run", "--source", "replay", "--file", str(recording))
        assert refused.returncode == 1
        assert f"driven by process {driver.pid}" in refused.stderr
        jvm = next(one for one in descendants(driver.pid).values() if "SparkSubmit" in " ".join(one.cmdline()))
        jvm.kill()
        wait_until(lambda: published(tmp_path)["parts"]["silver"]["failures"] > 0, 30, "the dead JVM is noticed")
        before = taken(tmp_path, "silver")
        wait_until(lambda: taken(tmp_path, "silver") > before, 300, "silver goes on with another JVM")
        wait_until(lambda: bool(published(tmp_path)["maintenance"]), 300, "a round of housekeeping")
        family = list(descendants(driver.pid).values())
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert not alive
    ran = call(tmp_path, "run", "--source", "replay", "--file", str(recording), "--speed", "0", "--exit-when-done")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    audited = call(tmp_path, "audit")
    assert audited.returncode == 0, audited.stdout
    tidied = call(tmp_path, "maintain", "--source", "replay")
    assert tidied.returncode == 0, tidied.stdout + tidied.stderr
    assert tidied.stdout.rstrip() in call(tmp_path, "status", "--source", "replay").stdout
    assert {one["user"] for one in ops.actions(Lake(str(tmp_path / "data" / "lake")), 50)} == {
        "contrail",
        "contrail maintain",
    }
    assert_tables_equal_oracle(Lake(str(tmp_path / "data" / "lake")))


def test_an_interrupt_stops_everything_in_order(tmp_path):
    environment = {"CONTRAIL_DATA": str(tmp_path / "data"), "CONTRAIL_AIRCRAFT": "50", "CONTRAIL_INTERVAL": "1"}
    with started(contrail("run"), environment, tmp_path / "log") as driver:
        wait_until(lambda: taken(tmp_path, "flight_phase_counts") > 0, 300, "the first Gold batch")
        family = list(descendants(driver.pid).values())
        driver.send_signal(signal.SIGINT)
        assert driver.wait(40) == 0
        _, alive = psutil.wait_procs(family, timeout=5)
        assert not alive
    assert published(tmp_path)["doing"] == "stopped"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--source", "radar"), ["CONTRAIL_SOURCE", "'radar'", "simulator"]),
        (("run", "--source", "replay"), ["CONTRAIL_FILE"]),
        (("run", "--source", "replay", "--file", "nowhere.jsonl"), ["nowhere.jsonl"]),
        (("quota", "--box", "1,2,3"), ["CONTRAIL_BOX", "'1,2,3'"]),
        (("status",), ["contrail run"]),
        (("audit",), ["start the pipeline"]),
        (("reset", "silver"), ["nothing to reset"]),
        (("drill", "--only", "flood"), ["'flood'", "broker"]),
        (("drill", "--kills", "some"), ["--kills", "'some'"]),
        (("train",), ["no Silver", "start the pipeline"]),
        (("train", "--since", "yesterday"), ["--since", "'yesterday'", "UTC"]),
        (("train", "--rows", "many"), ["--rows", "'many'"]),
        (("topics",), ["CONTRAIL_KAFKA"]),
    ],
)
def test_a_wrong_value_is_one_sentence_and_exit_code_one(tmp_path, arguments, words):
    ended = call(tmp_path, *arguments)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    for word in words:
        assert word in ended.stderr


def test_quota_prints_what_a_call_costs_and_how_long_credits_last(tmp_path):
    told = call(tmp_path, "quota", "--box", "45,5,47,11").stdout
    assert "12.0 square degrees costs 1" in told
    assert "every 240.0 s, 360 calls a day" in told


def test_record_writes_a_feed_that_replay_can_play(tmp_path):
    path = tmp_path / "made.jsonl"
    ended = call(tmp_path, "record", str(path), "--source", "simulator", "--aircraft", "20", "--answers", "1")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(path.read_text())["states"]


@pytest.fixture
def stopped_lake(tmp_path: Path) -> Lake:
    """The lake of a pipeline that has run, as `call` finds it."""
    lake = Lake(str(tmp_path / "data" / "lake"))
    list(lake.create())
    ops.write(lake, ops.STATUS, {"at": 0, "parts": {}})
    return lake


def reset(tmp_path: Path, typed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    told = {name: value for name, value in os.environ.items() if not name.startswith("CONTRAIL_")}
    return subprocess.run(
        contrail("reset", *arguments),
        input=typed,
        capture_output=True,
        text=True,
        env=told | {"CONTRAIL_DATA": str(tmp_path / "data")},
    )


def test_a_reset_asks_keeps_the_old_checkpoint_and_can_be_undone(tmp_path, stopped_lake):
    slip = reset(tmp_path, "Silver\n", "silver")
    assert slip.returncode == 1
    assert "computed again from the 0 rows of bronze/opensky" in slip.stdout
    assert "'silver' was not typed" in slip.stderr
    assert resets.generation(stopped_lake, "silver") == 0
    assert reset(tmp_path, "silver\n", "silver").returncode == 0
    assert resets.generation(stopped_lake, "silver") == 1
    assert resets.generation(stopped_lake, "anomaly_alerts") > 1
    assert reset(tmp_path, "", "silver", "--undo", "--yes").returncode == 0
    assert resets.generation(stopped_lake, "silver") == 0
    again = reset(tmp_path, "", "silver", "--undo", "--yes")
    assert again.returncode == 1
    assert "nothing to take back" in again.stderr
    assert [one["verb"] for one in ops.actions(stopped_lake, 9)] == ["undo reset", "reset"]


def test_a_reset_beside_a_running_driver_is_refused_and_says_where_it_is_possible(tmp_path, stopped_lake):
    driver = FileLock(stopped_lake)
    driver.take()
    refused = reset(tmp_path, "", "silver", "--yes")
    assert refused.returncode == 1
    assert f"driven by process {os.getpid()}" in refused.stderr
    assert "Control tab" in refused.stderr
    driver.free()
