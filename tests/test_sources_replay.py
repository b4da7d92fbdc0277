"""A recording played again: the same answers, at the recorded pace or faster, and plain words where it is damaged."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path

import pytest

from pipeline.errors import FeedError
from pipeline.sources import Answer
from pipeline.sources.recording import record
from pipeline.sources.replay import Replay, recorded
from pipeline.sources.simulator import Simulator

LINES = b'{"time":100,"states":[["4b1814","SWR1    "]]}\n{"time":110,"states":null}\n{"time":140,"states":[]}\n'
SKIES = [Answer(100, [["4b1814", "SWR1    "]]), Answer(110, []), Answer(140, [])]


def written(folder: Path, content: bytes, name: str = "sky.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def played(path: Path, speed: float = 0, stop_after: int = 99) -> tuple[list[Answer], list[float]]:
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) > stop_after

    return list(Replay(path, speed).answers(wait, lambda **_: None)), waits


@pytest.mark.parametrize("name", ["sky.jsonl", "sky.jsonl.gz"])
def test_what_was_recorded_is_played_again(tmp_path: Path, name: str):
    feed = Simulator(40, 7, 10)
    record(Replay(written(tmp_path, LINES, "first"), 0), tmp_path / name, None, threading.Event(), lambda _: None)
    record(feed, tmp_path / name, 1, threading.Event(), lambda _: None)
    heard, waits = played(tmp_path / name)
    assert heard[:3] == SKIES
    assert heard[3] == feed.sky.answer(heard[3].time)
    assert waits == [0, 0, 0, 0]


def test_a_compressed_recording_is_played(tmp_path: Path):
    assert played(written(tmp_path, gzip.compress(LINES), "sky.jsonl.gz"))[0] == SKIES


@pytest.mark.parametrize(("speed", "waits"), [(1, [0, 10, 30]), (10, [0, 1, 3]), (0.5, [0, 20, 60]), (0, [0, 0, 0])])
def test_the_pace_is_the_recorded_one_divided_by_the_speed(tmp_path: Path, speed: float, waits: list[float]):
    assert played(written(tmp_path, LINES), speed)[1] == waits


def test_a_recording_that_goes_back_in_time_is_played_without_a_pause(tmp_path: Path):
    path = written(tmp_path, b'{"time":100,"states":[]}\n{"time":50,"states":[]}\n{"time":60,"states":[]}\n')
    assert played(path, 1)[1] == [0, 0, 10]


def test_a_replay_that_is_told_to_stop_stops_before_the_next_answer(tmp_path: Path):
    answers, waits = played(written(tmp_path, LINES), 1, stop_after=1)
    assert (answers, waits) == (SKIES[:1], [0, 10])


def test_a_replay_says_how_many_answers_it_has_played(tmp_path: Path):
    told: list[int] = []
    list(Replay(written(tmp_path, LINES), 0).answers(lambda _: False, lambda **what: told.append(what["played"])))
    assert told == [1, 2, 3]


def test_blank_lines_and_fields_that_others_add_are_no_matter(tmp_path: Path):
    path = written(tmp_path, b'\n{"time":100,"states":[],"source":"opensky"}\n  \n{"time":110,"states":[]}')
    assert [answer.time for answer in recorded(path)] == [100, 110]


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[1, 2]",
        b"7",
        b'{"time": 100}',
        b'{"states": []}',
        b'{"time": "noon", "states": []}',
        b'{"time": 100.5, "states": []}',
        b'{"time": true, "states": []}',
        b'{"time": 100, "states": "none"}',
        b"\xff\xfe",
    ],
)
def test_a_line_that_is_no_answer_is_named_by_its_number(tmp_path: Path, line: bytes):
    path = written(tmp_path, b'{"time":100,"states":[]}\n\n' + line + b'\n{"time":110,"states":[]}\n')
    with pytest.raises(FeedError, match=r"^Line 3 of .*sky\.jsonl is no API answer: it has to be .*, but is b"):
        list(recorded(path))


def test_a_recording_whose_last_line_was_cut_off_plays_up_to_it(tmp_path: Path):
    answers = recorded(written(tmp_path, LINES + b'{"time":150,"sta'))
    assert [next(answers) for _ in range(3)] == SKIES
    with pytest.raises(FeedError, match="Line 4 of"):
        next(answers)


# Without the time that gzip writes down: it would be in the test's name, which has to be the same in all workers of a run.
NOTHING = gzip.compress(b"", mtime=0)


@pytest.mark.parametrize(
    ("name", "content"),
    [("sky.jsonl", b""), ("sky.jsonl", b"\n \n"), ("sky.jsonl.gz", b""), ("sky.jsonl.gz", NOTHING)],
)
def test_an_empty_recording_is_refused_with_the_cure(tmp_path: Path, name: str, content: bytes):
    with pytest.raises(FeedError, match=r"is empty: `contrail record .*` makes one\."):
        Replay(written(tmp_path, content, name), 1)


def test_a_missing_recording_is_named(tmp_path: Path):
    with pytest.raises(
        FeedError, match=r"none\.jsonl cannot be read \(No such file or directory\): check CONTRAIL_FILE"
    ):
        Replay(tmp_path / "none.jsonl", 1)


def test_a_folder_is_no_recording(tmp_path: Path):
    with pytest.raises(FeedError, match=r"cannot be read \(Is a directory\): check CONTRAIL_FILE"):
        Replay(tmp_path, 1)


def damaged(whole: bytes) -> dict[str, bytes]:
    middle = len(whole) // 2
    return {
        "cut off": whole[:middle],
        "garbled": whole[:middle] + bytes(byte ^ 0x55 for byte in whole[middle : middle + 50]) + whole[middle + 50 :],
        "not gzip": b'{"time":100,"states":[]}\n',
    }


DAMAGED = damaged(gzip.compress(b"".join(b'{"time":%d,"states":[]}\n' % second for second in range(100, 20_000, 10))))


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_gzip_file_is_named_with_the_last_good_line(tmp_path: Path, content: bytes):
    path = written(tmp_path, content, "sky.jsonl.gz")
    with pytest.raises(FeedError, match=r"sky\.jsonl\.gz (cannot be read after line \d+ \(|is no API answer)"):
        list(recorded(path))


def test_a_recording_tells_when_it_begins_and_is_told_from_others(tmp_path: Path):
    one = Replay(written(tmp_path, LINES, "one.jsonl"), 1)
    same = Replay(written(tmp_path, LINES, "same.jsonl"), 1)
    longer = Replay(written(tmp_path, LINES + b'{"time":150,"states":[]}\n', "longer.jsonl"), 1)
    assert one.begins == 100
    assert one.fingerprint == same.fingerprint != longer.fingerprint
