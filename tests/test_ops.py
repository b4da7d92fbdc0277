"""State files, the lake's memory of its feed, and the audit log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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


def test_the_audit_log_keeps_every_action_newest_first(tmp_path):
    lake = Lake(str(tmp_path))
    assert ops.actions(lake, 5) == []
    for number in range(3):
        ops.note(lake, "olga", "stop", [f"stream{number}"], "asked")
    with open(lake.ops(ops.ACTIONS), "ab") as file:
        file.write(b"half a li")
    assert [one["names"] for one in ops.actions(lake, 2)] == [["stream2"], ["stream1"]]
    assert {*ops.actions(lake, 1)[0]} == {"at", "user", "verb", "names", "outcome"}


def test_the_audit_log_on_s3_keeps_what_many_write_at_once(s3_server, bucket):
    lake = Lake(f"s3a://{bucket}/sky", s3_server.access)
    with ThreadPoolExecutor(12) as writers:
        list(writers.map(lambda number: ops.note(lake, "olga", "stop", [f"part{number}"], "asked"), range(60)))
    assert sorted(one["names"][0] for one in ops.actions(lake, 1000)) == sorted(f"part{number}" for number in range(60))


def test_state_files_on_s3_are_as_on_a_disk(s3_server, bucket):
    lake = Lake(f"s3a://{bucket}/sky", s3_server.access)
    assert ops.read(lake, ops.STATUS) is None
    ops.write(lake, ops.STATUS, {"doing": "running"})
    assert ops.read(lake, ops.STATUS) == {"doing": "running"}
    ops.claim_feed(lake, "simulator")
    with pytest.raises(LakeError, match=r"'simulator'.*'opensky'"):
        ops.claim_feed(lake, "opensky")
