"""The soak in a short form: a small sky, two viewers and one kill."""

from __future__ import annotations

from benchmarks import soak


def test_nothing_is_lost_or_repeated_while_processes_are_killed_and_viewers_look(tmp_path):
    found = soak.measure(tmp_path, minutes=0.7, aircraft=300, viewers=2, between=(10, 15))
    assert found.kills
    assert found.refreshes > 0
    assert found.difference is not None
    assert found.holds, found
    assert found.messages > 0
