"""What the Live tab shows of a snapshot: gaps stay gaps, and what is drawn already is not sent again."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from live_picture import caption, drawn_alike, minutes_of, moved, phases_of, tiles_of, trends_of
from snapshot import Snapshot
from tab_live import LiveTab
from view_state import ViewState

from pipeline.serving import headline
from pipeline.tables import PHASES

HOUR = pd.date_range("2026-01-01 12:00", periods=60, freq="min", tz="UTC")
STATES = ["final"] * 10 + ["not sampled"] + ["final"] * 46 + ["revised", "provisional", "running"]


def snapshot(rate: float = 0.02, climbing: float = 30.0, version: int = 1) -> Snapshot:
    """An hour in which one minute was not sampled and the last one still runs."""
    sampled = np.array([state != "not sampled" for state in STATES])
    aircraft = {phase: np.where(sampled, 10.0 * place, np.nan) for place, phase in enumerate(PHASES)}
    minutes = pd.DataFrame(aircraft | {"state": STATES, "altitude_meters": 9_000.0, "velocity_kmh": 700.0}, HOUR)
    minutes.loc[HOUR[58], PHASES[2]] = climbing
    trend = pd.DataFrame(
        {"active": 150.0, "altitude_meters": 9_000.0, "velocity_kmh": 700.0, "anomaly_rate": rate}, HOUR
    )
    return Snapshot(version, newest=HOUR[59], headline=headline(minutes, trend), minutes=minutes, trend=trend)


def test_what_was_not_sampled_and_what_still_runs_is_a_gap_in_a_line_never_a_zero():
    lines = dict(trends_of(snapshot()).columns)
    assert list(lines.pop("minute")) == list(HOUR.tz_localize(None).to_numpy())
    assert set(lines) == set(tiles_of(snapshot()))
    for name, line in lines.items():
        assert list(np.flatnonzero(np.isnan(line))) == [10, 59], name


def test_a_figure_that_is_known_of_no_minute_has_a_dash_and_no_line():
    empty = Snapshot(newest=HOUR[0])
    for tile in tiles_of(empty).values():
        assert (tile.value, tile.up) == ("–", None)
    assert phases_of(empty).summary == "No full minute was sampled yet."
    assert set(phases_of(empty).columns["text"]) == {"–"}
    assert caption(empty) == "Waiting for the first full minute."


def test_the_phases_are_those_of_the_last_full_minute_and_stand_in_words_too():
    shown = phases_of(snapshot(climbing=77.0))
    assert "Climb 77 (" in shown.summary
    assert sum(shown.columns["share"]) == pytest.approx(1)
    assert caption(snapshot()) == "Minute 12:58–12:59 UTC, the last full one; provisional."


def test_a_range_ends_with_the_running_minute_which_is_paler():
    shown = minutes_of(snapshot(), "15m")
    assert list(shown.columns["state"][-3:]) == ["revised", "provisional", "running"]
    assert shown.columns["opacity"][-1] < shown.columns["opacity"][-2]
    assert shown.across[1] - shown.across[0] == pd.Timedelta(minutes=15)


def test_a_line_is_drawn_again_when_a_value_a_minute_or_a_gap_differs_and_only_then():
    def line(changed: dict[int, float], begin: int = 0) -> Any:
        known = snapshot()
        known.trend.iloc[list(changed), 3] = list(changed.values())
        return trends_of(replace(known, minutes=known.minutes[begin:], trend=known.trend[begin:]))

    assert drawn_alike(line({}), line({}))
    assert not drawn_alike(line({}), line({5: 0.03}))
    assert not drawn_alike(line({}), line({5: np.nan}))
    assert not drawn_alike(line({}), line({}, begin=1))
    assert not drawn_alike(line({}), None)
    assert drawn_alike(line({5: np.nan}), line({5: np.nan}))


def test_how_a_figure_moved_is_since_the_first_minute_that_is_known():
    known = pd.Series([np.nan, 100.0, np.nan, 110.0], HOUR[:4])
    assert moved(known, 110.0) == "+10.0% since 12:01 UTC"
    assert moved(known * 0, 5.0) == "was 0 at 12:01 UTC"
    assert moved(known, None) == "no trend yet"


def test_a_commit_sends_to_the_browser_what_it_changes_and_nothing_else():
    tab = LiveTab(cast(Any, None), ViewState(), "")
    sent: list[str] = []
    sources = {"phases": tab._phases, "minutes": tab._minutes, "trends": tab._trends}
    for name, source in sources.items():
        source.on_change("data", lambda attr, old, new, name=name: sent.append(name))
    first = snapshot()
    tab.show(first)
    assert sorted(sent) == sorted(sources)
    sent.clear()
    tab.show(replace(snapshot(rate=0.04, version=2), minutes=first.minutes))
    assert sent == ["trends"]
    sent.clear()
    tab.show(replace(first, version=3, minutes=snapshot(climbing=31.0).minutes, trend=snapshot(rate=0.04).trend))
    assert sorted(sent) == ["minutes", "phases"]
