"""A frame shows an answer when it counts what Gold counts, and not before."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.screen import WAITING, Screen, _drawn, _Version

NOON = 1_790_000_040.0


def frame(at: float, *aircraft: float) -> tuple[float, dict[float, float]]:
    return at, {NOON - 60 * back: count for back, count in enumerate(aircraft)}


def test_the_first_frame_that_counts_all_of_an_answer_is_when_it_was_drawn():
    version = _Version(NOON + 3, 900, {NOON: 400.0, NOON - 60: 500.0, NOON - 3600: 7.0})
    frames = [
        frame(NOON + 2, 300, 500),
        frame(NOON + 4, 300, 500),
        frame(NOON + 5, 400, 500),
        frame(NOON + 6, 450, 500),
    ]
    assert _drawn(frames, version, NOON + 20) == NOON + 5


def test_an_answer_that_was_never_drawn_took_forever():
    version = _Version(NOON + 3, 900, {NOON: 400.0})
    assert _drawn([frame(NOON + 4, 399)], version, NOON + 20) == math.inf


def test_each_step_is_its_batches_parts_and_what_is_left_is_waiting():
    batches = {
        "Bronze": {"planning": 0.1, "rows: read, worked on, committed": 0.5},
        "Silver": {},
        "Gold": {"planning": 2.0},
    }
    parts = Screen(np.array([[1.0, 2.5, 3.0, 3.25]]), batches).parts()
    assert {name: sum(step.values()) for name, step in parts.items()} == {
        "Bronze": 1.0,
        "Silver": 1.5,
        "Gold": 2.0,
        "screen": 0.25,
    }
    assert parts["Bronze"][WAITING] == pytest.approx(0.4)
    assert parts["Gold"][WAITING] == 0.0
