"""Writing a feed's answers to a file: one a line, at once, and appended."""

from __future__ import annotations

import gzip
import json
import threading
from pathlib import Path

import pytest

from pipeline.errors import FeedError
from pipeline.sources.recording import record
from pipeline.sources.replay import Replay


@pytest.fixture
def feed(tmp_path: Path) -> Replay:
    """Three answers, the sky empty in the second."""
    path = tmp_path / "feed.jsonl"
    path.write_text('{"time":1,"states":[["4b1814","Zürich"]]}\n{"time":2,"states":null}\n{"time":3,"states":[]}\n')
    return Replay(path, 0)


def test_each_answer_is_a_line_and_is_told(feed: Replay, tmp_path: Path):
    said: list[str] = []
    path = tmp_path / "new" / "folder" / "sky.jsonl"
    assert record(feed, path, None, threading.Event(), said.append) == 3
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"time": 1, "states": [["4b1814", "Zürich"]]},
        {"time": 2, "states": []},
        {"time": 3, "states": []},
    ]
    assert said == ["1: time 1, 1 states", "2: time 2, 0 states", "3: time 3, 0 states"]


def test_no_more_answers_are_written_than_were_asked_for(feed: Replay, tmp_path: Path):
    assert record(feed, tmp_path / "sky.jsonl", 2, threading.Event(), lambda _: None) == 2
    assert len((tmp_path / "sky.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("name", ["sky.jsonl", "sky.jsonl.gz"])
def test_a_later_recording_is_appended(feed: Replay, tmp_path: Path, name: str):
    for _ in range(2):
        record(feed, tmp_path / name, 1, threading.Event(), lambda _: None)
    content = (tmp_path / name).read_bytes()
    lines = (gzip.decompress(content) if name.endswith(".gz") else content).splitlines()
    assert [json.loads(line)["time"] for line in lines] == [1, 1]


def test_a_line_is_in_the_file_before_it_is_told(feed: Replay, tmp_path: Path):
    path, lines = tmp_path / "sky.jsonl", []
    record(feed, path, None, threading.Event(), lambda _: lines.append(path.read_bytes().count(b"\n")))
    assert lines == [1, 2, 3]


def test_a_recording_that_is_told_to_stop_ends_with_the_answer_at_hand(feed: Replay, tmp_path: Path):
    stop = threading.Event()
    assert record(feed, tmp_path / "sky.jsonl", None, stop, lambda _: stop.set()) == 1
    assert (tmp_path / "sky.jsonl").read_bytes().endswith(b"}\n")


def test_a_file_that_cannot_be_written_is_named_with_the_cure(feed: Replay, tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FeedError, match=r"file/sky\.jsonl cannot be written \(.+\): choose another file\."):
        record(feed, tmp_path / "file" / "sky.jsonl", None, threading.Event(), lambda _: None)
