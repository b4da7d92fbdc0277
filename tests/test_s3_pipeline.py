"""The whole pipeline with its lake on a real S3 server, which dies and comes back, as does the driver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import psutil
import pytest

from pipeline import ops, resets
from pipeline.drill.processes import contrail, descendants, finished, started, wait_until
from pipeline.drill.s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from pipeline.errors import LakeError
from pipeline.lease import Lease
from pipeline.past import looked_up
from pipeline.serving import Reader
from pipeline.tables import FLIGHT_PHASE_COUNTS, Lake
from tests.comparison import assert_tables_equal_oracle
from tests.local_server import serving

LEASE_SECONDS = 6


@pytest.fixture
def keys_endpoint() -> Iterator[str]:
    """Where a container asks for its keys, as cloud services have it: they are renewed before they run out."""
    keys = {
        "AccessKeyId": ACCESS_KEY,
        "SecretAccessKey": SECRET_KEY,
        "Token": "",
        "Expiration": "2099-01-01T00:00:00Z",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(keys).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(Handler) as address:
        yield f"{address}/keys"


def call(environment: dict[str, str], tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return finished(contrail(*arguments), environment, tmp_path)


def told(lake: Lake) -> dict:
    """The published status; nothing while S3 does not answer."""
    try:
        return ops.read(lake, ops.STATUS) or {"parts": {}}
    except LakeError:
        return {"parts": {}}


def taken(lake: Lake, name: str) -> int:
    return told(lake)["parts"].get(name, {}).get("rows_total", 0)


def test_kills_of_the_server_and_of_the_driver_change_nothing(tmp_path, recording, own_s3_server: S3Server):
    server, lake = own_s3_server, Lake("s3a://sky/contrail", own_s3_server.access)
    environment = server.environment("sky") | {
        "CONTRAIL_DATA": str(tmp_path / "data"),
        "CONTRAIL_LAKE": lake.root,
        "CONTRAIL_S3_CREATE_BUCKET": "yes",
        "CONTRAIL_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    slowly = contrail("run", "--source", "replay", "--file", str(recording), "--speed", "4")
    with started(slowly, environment, tmp_path / "log") as driver:
        wait_until(lambda: taken(lake, "flight_phase_counts") > 0, 300, "the first Gold batch")
        server.kill()
        wait_until(lambda: "(failed)" in (tmp_path / "log").read_text(), 60, "the vanished S3 is noticed")
        server.start()
        before = taken(lake, "silver")
        wait_until(lambda: taken(lake, "silver") > before, 300, "silver goes on by itself")
        refused = call(environment, tmp_path, "run", "--source", "replay", "--file", str(recording))
        assert refused.returncode == 1
        assert f"driven by process {driver.pid}" in refused.stderr
        family = list(descendants(driver.pid).values())
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert not alive
    resets.reset(lake, "anomaly_alerts")
    again = ("run", "--source", "replay", "--file", str(recording), "--speed", "0", "--exit-when-done")
    ran = call(environment, tmp_path, *again)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    audited = call(environment, tmp_path, "audit", "--source", "replay")
    assert audited.returncode == 0, audited.stdout
    assert_tables_equal_oracle(lake)
    assert_readers_find_all(lake)


def assert_readers_find_all(lake: Lake) -> None:
    """What the pages read is there too: the past, and each version of a table."""
    reader = Reader(lake)
    extent = looked_up(reader, *window(reader), False).extent
    assert extent is not None
    assert len(lake.open(FLIGHT_PHASE_COUNTS).history()) > 1


def window(reader: Reader) -> tuple:
    reader.refresh(FLIGHT_PHASE_COUNTS)
    found = reader.one(FLIGHT_PHASE_COUNTS, "min(window_start) AS first, max(window_end) AS last")
    return found["first"], found["last"]


def test_a_driver_that_slept_while_another_took_the_lake_writes_no_more(
    tmp_path, recording, own_s3_server: S3Server, keys_endpoint
):
    """And neither has keys in its settings: all three of its clients find them in the environment."""
    own_s3_server.make_bucket("sky")
    lake = Lake("s3a://sky/contrail", own_s3_server.access)
    environment = {
        "CONTRAIL_DATA": str(tmp_path / "data"),
        "CONTRAIL_LAKE": lake.root,
        "CONTRAIL_LEASE_SECONDS": str(LEASE_SECONDS),
        "AWS_ENDPOINT_URL_S3": own_s3_server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": keys_endpoint,
    }
    slowly = contrail("run", "--source", "replay", "--file", str(recording), "--speed", "4")
    with started(slowly, environment, tmp_path / "log") as driver:
        wait_until(lambda: taken(lake, "flight_phase_counts") > 0, 300, "the first Gold batch")
        family = descendants(driver.pid)
        jvm = next(one for one in family.values() if "SparkSubmit" in " ".join(one.cmdline()))
        os.kill(driver.pid, signal.SIGSTOP)
        wait_until(lambda: not jvm.is_running() or jvm.status() == "zombie", 60, "the sleeper's JVM is ended")
        before = ops.read(lake, ops.STATUS)
        second = Lease(lake, LEASE_SECONDS, lambda: None)
        second.take()
        os.kill(driver.pid, signal.SIGCONT)
        assert driver.wait(40) == 1, (tmp_path / "log").read_text()
        assert f"taken over while this driver was silent, by process {os.getpid()}" in (tmp_path / "log").read_text()
        _, alive = psutil.wait_procs(list(family.values()), timeout=30)
        assert not alive
        assert second.certain()
        assert ops.read(lake, ops.STATUS) == before
        second.free()


def test_a_lake_on_s3_that_cannot_be_used_is_one_sentence(tmp_path, s3_server, bucket):
    environment = s3_server.environment(bucket) | {"CONTRAIL_DATA": str(tmp_path / "data")}
    for command in (("run",), ("status",), ("audit",)):
        for change, words in (
            ({"CONTRAIL_S3_ENDPOINT": "http://127.0.0.1:1"}, "does not answer"),
            ({"CONTRAIL_S3_SECRET_KEY": "guessed"}, "do not belong together"),
            ({"CONTRAIL_LAKE": "s3a://nowhere"}, "no bucket 'nowhere'"),
        ):
            ended = call(environment | change, tmp_path, *command)
            assert ended.returncode == 1, (command, change)
            assert words in ended.stderr
            assert len(ended.stderr.splitlines()) == 1, ended.stderr
