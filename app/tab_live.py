"""The Live tab: four figures with their trend, the phases now, and the phases over time with each window's state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models import Range1d
from header import update
from hub import Hub
from live_figures import (
    ROOM,
    STATES,
    bars,
    donut,
    minutes_columns,
    minutes_source,
    phases_columns,
    phases_source,
    spark_source,
    sparkline,
    stacked,
    state_strip,
)
from look import CARD, NUMBERS, QUIET
from passports import PASSPORTS, Passport
from snapshot import Snapshot
from view_state import RANGES, ViewState

from pipeline.tables import PHASES

HALF_A_MINUTE = pd.Timedelta(seconds=30)


class LiveTab:
    """One session's view of the hub's snapshot."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state = hub, state
        self._shown = (-1, "")
        self._latest = Snapshot()
        self._phases, self._minutes = phases_source(), minutes_source()
        self._most, self._span, self._top = Range1d(0, 1), Range1d(0, 1), Range1d(0, 1)
        self._dialog = pmui.Dialog(pmui.Markdown(""), show_close_button=True, close_on_click=True, width_option="sm")
        self._tiles = [Tile(passport, self._open_passport) for passport in PASSPORTS]
        self._caption = pmui.Typography("Waiting for the first observations.", variant="body2", sx=QUIET, margin=0)
        self._summary = pmui.Typography("", variant="body2", sx=QUIET, margin=0)
        self.view = pmui.FlexBox(
            *(tile.view for tile in self._tiles),
            pmui.Row(self._caption, margin=0, styles={"flex": "1 1 100%"}),
            self._phases_card(),
            self._minutes_card(),
            self._dialog,
            gap="16px",
            sizing_mode="stretch_width",
            margin=(16, 16),
        )

    def show(self, snapshot: Snapshot) -> None:
        """Send what is new to the browser."""
        if (snapshot.version, self._state.range) == self._shown:
            return
        self._shown, self._latest = (snapshot.version, self._state.range), snapshot
        update(self._caption, object=snapshot.trouble or caption(snapshot))
        for tile in self._tiles:
            tile.show(snapshot)
        if len(snapshot.minutes):
            self._show_phases(snapshot)
            self._show_minutes(snapshot.minutes.iloc[-RANGES[self._state.range] :])

    def _show_phases(self, snapshot: Snapshot) -> None:
        known = snapshot.headline is not None and snapshot.headline.window_start in snapshot.minutes.index
        row = (
            snapshot.minutes.loc[snapshot.headline.window_start, list(PHASES)] if known and snapshot.headline else None
        )
        aircraft = np.full(len(PHASES), np.nan) if row is None else row.to_numpy(np.float64)
        columns = phases_columns(aircraft)
        self._phases.data = columns
        self._most.end = ROOM * max(1.0, float(columns["aircraft"].max()))
        told = [f"{phase.title()} {words}" for phase, words in zip(PHASES, columns["text"], strict=True)]
        update(self._summary, object=", ".join(told) + "." if row is not None else "No full minute was sampled yet.")

    def _show_minutes(self, minutes: pd.DataFrame) -> None:
        self._minutes.data = minutes_columns(minutes)
        self._span.update(start=minutes.index[0] - HALF_A_MINUTE, end=minutes.index[-1] + HALF_A_MINUTE)
        self._top.end = ROOM * max(1.0, float(minutes[list(PHASES)].sum(axis=1).max()))

    def _phases_card(self) -> Any:
        ring = pmui.Row(pn.pane.Bokeh(donut(self._phases)), margin=0, styles={"flex": "0 0 270px", "margin": "0 auto"})
        beside = pmui.Row(
            pn.pane.Bokeh(bars(self._phases, self._most), sizing_mode="stretch_width"),
            sizing_mode="stretch_width", margin=0, styles={"flex": "1 1 300px", "minWidth": "0"},
        )  # fmt: skip
        return card(
            pmui.Typography("Aircraft per phase, last full minute", variant="h6", margin=0),
            pmui.FlexBox(ring, beside, sizing_mode="stretch_width", margin=0, align_items="center"),
            self._summary,
        )

    def _minutes_card(self) -> Any:
        chosen = pmui.RadioButtonGroup(
            label="Range", value=self._state.range, options=list(RANGES), size="small", margin=0, width=180
        )
        chosen.link(self._state, value="range", bidirectional=True)
        legend = pmui.FlexBox(
            pmui.Typography("Windows:", variant="body2", sx=QUIET, margin=0),
            *(state_key(name) for name in STATES),
            gap="14px",
            align_items="center",
            margin=0,
        )
        return card(
            pmui.FlexBox(
                pmui.Typography("Flights per phase over time", variant="h6", margin=0),
                chosen, justify_content="space-between", align_items="center", sizing_mode="stretch_width", margin=0,
            ),
            pn.pane.Bokeh(stacked(self._minutes, self._span, self._top), sizing_mode="stretch_width"),
            pn.pane.Bokeh(state_strip(self._minutes, self._span), sizing_mode="stretch_width"),
            legend,
        )  # fmt: skip

    def _open_passport(self, passport: Passport) -> None:
        latest = self._latest
        version = latest.versions.get(passport.table.name)
        self._dialog.param.update(
            title=passport.title,
            objects=[pmui.Markdown(passport.page(latest.headline, version, latest.newest))],
            open=True,
        )


class Tile:
    """One headline figure: its value, how it moved within the hour, and the way to its passport."""

    def __init__(self, passport: Passport, open_passport: Any) -> None:
        self._passport = passport
        self._value = pmui.Typography("–", variant="h4", sx=NUMBERS, margin=0, css_classes=[f"figure-{passport.name}"])
        self._moved = pmui.Typography("no trend yet", variant="body2", sx=QUIET, margin=0)
        self._source, self._span, self._height = spark_source(), Range1d(0, 1), Range1d(0, 1)
        about = pmui.Button(
            label="About", variant="text", size="small", margin=0, description=f"What {passport.title} means",
            on_click=lambda event: open_passport(passport),
        )  # fmt: skip
        form = "0,0" if passport.digits == 0 else "0.00"
        self.view = card(
            pmui.FlexBox(
                pmui.Typography(passport.title, variant="subtitle2", sx=QUIET, margin=0),
                about, justify_content="space-between", align_items="center", sizing_mode="stretch_width", margin=0,
            ),
            self._value,
            self._moved,
            pn.pane.Bokeh(sparkline(self._source, passport.title, form, self._span, self._height), sizing_mode="stretch_width"),
            flex="1 1 165px",
        )  # fmt: skip

    def show(self, snapshot: Snapshot) -> None:
        """Show the snapshot's value and trend."""
        headline = snapshot.headline
        value = None if headline is None else self._passport.value(headline)
        update(self._value, object=self._passport.words(value))
        series = trend_of(snapshot, self._passport)
        update(self._moved, object=moved(series, value))
        if series.notna().any():
            shown = (series * self._passport.scale).to_numpy(np.float32)
            self._source.data = {"minute": series.index.tz_localize(None).to_numpy(), "value": shown}
            self._span.update(start=series.index[0], end=series.index[-1])
            low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
            room = 0.1 * (high - low) or 1.0
            self._height.update(start=low - room, end=high + room)


def trend_of(snapshot: Snapshot, passport: Passport) -> pd.Series[float]:
    """A figure in each full minute of the last hour; NaN where it is missing or the minute is still running."""
    for frame in (snapshot.trend, snapshot.minutes):
        if passport.trend in frame:
            hour = snapshot.minutes.iloc[-len(snapshot.trend) :]
            series: pd.Series[float] = frame[passport.trend].reindex(hour.index)
            return series.where(~hour["state"].isin(["running", "not sampled"]))
    return pd.Series(dtype=float)


def moved(series: pd.Series[float], value: float | None) -> str:
    """How a figure moved since the earliest minute of the hour in which it is known."""
    known = series.dropna()
    if value is None or len(known) < 2:
        return "no trend yet"
    first, since = float(known.iloc[0]), known.index[0]
    if first == 0:
        return f"was 0 at {since:%H:%M} UTC"
    return f"{(value - first) / first:+.1%} since {since:%H:%M} UTC"


def caption(snapshot: Snapshot) -> str:
    """Which minute the figures are of."""
    if snapshot.headline is None:
        return "Waiting for the first full minute." if snapshot.newest else "Waiting for the first observations."
    start = snapshot.headline.window_start
    state = snapshot.minutes["state"].get(start, "")
    return f"Minute {start:%H:%M}–{start + pd.Timedelta(minutes=1):%H:%M} UTC, the last full one; {state}."


def state_key(name: str) -> Any:
    """A window state's entry in the legend."""
    colour, hatch = STATES[name]
    drawn = "repeating-linear-gradient(45deg, #5f6b7a 0 2px, transparent 2px 6px)" if hatch.strip() else "none"
    box = {
        "width": "14px",
        "height": "14px",
        "bgcolor": colour,
        "backgroundImage": drawn,
        "border": "1px solid #5f6b7a",
    }
    return pmui.Row(pmui.Paper(elevation=0, square=True, sx=box, width=14, height=14, margin=(3, 6, 0, 0)),
                    pmui.Typography(name, variant="body2", margin=0), margin=0)  # fmt: skip


def card(*objects: Any, flex: str = "1 1 480px") -> Any:
    """A framed part of a tab."""
    return pmui.Paper(
        *objects, elevation=0, margin=0, sx=CARD, styles={"flex": flex, "minWidth": "0"}, sizing_mode="stretch_width"
    )
