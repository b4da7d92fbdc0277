"""State files, the lake's memory of its feed, and its one driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import ops
from pipeline.errors import LakeError
from pipeline.tables import Lake


def test_what_is_written_is_read_and_garbage_is_nothing(tmp_path: Path):
    lake = Lake(str(tmp_path))
    assert ops.read(lake, ops.STATUS) is None
    ops.write(lake, ops.STATUS, {"doing": "running"})
    assert ops.read(lake, ops.STATUS) == {"doing": "running"}
    Path(lake.ops(ops.STATUS)).write_text('{"doing": ')
    assert ops.read(lake, ops.STATUS) is None


def test_a_second_feed_on_a_lake_is_refused_with_the_cure(tmp_path: Path):
    lake = Lake(str(tmp_path))
    ops.claim_feed(lake, "simulator")
    ops.claim_feed(lake, "simulator")
    with pytest.raises(LakeError, match=r"'simulator'.*'opensky'.*CONTRAIL_LAKE"):
        ops.claim_feed(lake, "opensky")


def test_a_recording_may_be_played_again_and_a_later_one_may_follow(tmp_path: Path):
    lake = Lake(str(tmp_path))
    ops.claim_feed(lake, "replay", "morning", 100)
    ops.claim_feed(lake, "replay", "evening", 200)
    ops.claim_feed(lake, "replay", "morning", 100)


def test_a_recording_from_before_is_refused_as_the_watermark_would_drop_it(tmp_path: Path):
    lake = Lake(str(tmp_path))
    ops.claim_feed(lake, "replay", "evening", 200)
    with pytest.raises(LakeError, match="too late"):
        ops.claim_feed(lake, "replay", "morning", 100)


def test_a_second_driver_is_refused_with_the_name_of_the_first(tmp_path: Path):
    program = (
        "import sys, time; from pipeline import ops; from pipeline.tables import Lake\n"
        f"lock = ops.DriverLock(Lake({str(tmp_path)!r})); lock.take(); print('taken', flush=True); time.sleep(600)"
    )
    first = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "taken\n"
        with pytest.raises(LakeError, match=f"process {first.pid} on .* since "):
            ops.DriverLock(Lake(str(tmp_path))).take()
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    freed = ops.DriverLock(Lake(str(tmp_path)))
    freed.take()  # the crash freed it
    freed.free()


def test_the_audit_log_keeps_every_action_newest_first(tmp_path):
    lake = Lake(str(tmp_path))
    assert ops.actions(lake, 5) == []
    for number in range(3):
        ops.note(lake, "olga", "stop", [f"stream{number}"], "asked")
    with open(lake.ops(ops.ACTIONS), "ab") as file:
        file.write(b"half a li")
    assert [one["names"] for one in ops.actions(lake, 2)] == [["stream2"], ["stream1"]]
    assert {*ops.actions(lake, 1)[0]} == {"at", "user", "verb", "names", "outcome"}
