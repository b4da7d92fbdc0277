"""The tail of a log, by the log's name alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import logs
from pipeline.errors import StreamError
from pipeline.settings import load


def test_the_last_lines_of_a_log_are_shown(tmp_path: Path):
    settings = load({}, data=str(tmp_path))
    assert logs.tail(settings, "feed", 5) == "The log logs/feed.log is empty."
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "feed.log").write_bytes(b"x" * 200_000 + b"\nfirst\n\xff\nlast\n")
    assert logs.tail(settings, "feed", 3).splitlines() == ["first", "\N{REPLACEMENT CHARACTER}", "last"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "feed.log"])
def test_no_other_file_can_be_named(tmp_path: Path, name: str):
    with pytest.raises(StreamError, match="there are feed"):
        logs.tail(load({}, data=str(tmp_path)), name, 5)
