"""The command line, as its users run it: processes of its own, ended, killed and fed wrong values."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from pathlib import Path

import orjson
import psutil
import pytest

from pipeline import ops
from pipeline.sources.simulator import Sky
from pipeline.tables import Lake
from tests.comparison import assert_tables_equal_oracle
from tests.processes import contrail, descendants, finished, started, wait_until

START = 1_790_000_000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Twenty minutes of a small simulated sky."""
    path, sky = tmp_path / "sky.jsonl.gz", Sky(80, seed=11)
    with gzip.open(path, "wb") as file:
        for number in range(60):
            answer = sky.answer(START + 20 * number)
            file.write(orjson.dumps({"time": answer.time, "states": answer.states}) + b"\n")
    return path


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
    refused = call(tmp_path, "run", "--source", "simulator")
    assert refused.returncode == 1
    assert "holds the sky of the feed 'replay'" in refused.stderr


def test_kills_in_the_middle_change_nothing(tmp_path, recording):
    environment = {"CONTRAIL_DATA": str(tmp_path / "data")}
    slowly = contrail("run", "--source", "replay", "--file", str(recording), "--speed", "30")
    with started(slowly, environment, tmp_path / "log") as driver:
        wait_until(lambda: taken(tmp_path, "silver") > 0, 90, "silver's first batch")
        refused = call(tmp_path, "run", "--source", "replay", "--file", str(recording))
        assert refused.returncode == 1
        assert f"driven by process {driver.pid}" in refused.stderr
        jvm = next(one for one in descendants(driver.pid).values() if "SparkSubmit" in " ".join(one.cmdline()))
        jvm.kill()
        wait_until(lambda: published(tmp_path)["parts"]["silver"]["failures"] > 0, 30, "the dead JVM is noticed")
        before = taken(tmp_path, "silver")
        wait_until(lambda: taken(tmp_path, "silver") > before, 90, "silver goes on with another JVM")
        family = list(descendants(driver.pid).values())
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert not alive
    ran = call(tmp_path, "run", "--source", "replay", "--file", str(recording), "--speed", "0", "--exit-when-done")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    audited = call(tmp_path, "audit")
    assert audited.returncode == 0, audited.stdout
    assert_tables_equal_oracle(Lake(str(tmp_path / "data" / "lake")))


def test_an_interrupt_stops_everything_in_order(tmp_path):
    environment = {"CONTRAIL_DATA": str(tmp_path / "data"), "CONTRAIL_AIRCRAFT": "50", "CONTRAIL_INTERVAL": "1"}
    with started(contrail("run"), environment, tmp_path / "log") as driver:
        wait_until(lambda: taken(tmp_path, "flight_phase_counts") > 0, 120, "the first Gold batch")
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
