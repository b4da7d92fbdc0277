"""The card of one aircraft: who it is, its latest report, its last hour, and what was anomalous about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from aircraft_words import anomaly_lines, identity, latest_report
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure
from header import update
from hub import Hub
from look import CARD, QUIET
from view_state import ViewState

from pipeline import sightings
from pipeline.anomalies import LIMITS
from pipeline.history import SILENCE_SECONDS

EVERY_SECONDS = 10.0
ROOM = 0.08
PROFILES = {"altitude_meters": ("Altitude", "m", "#0072b2"), "velocity_kmh": ("Speed", "km/h", "#d55e00")}
TABLE = """
<style>
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 400; opacity: 0.85; padding: 2px 12px 2px 0; vertical-align: top; white-space: nowrap; }
td { padding: 2px 0; font-variant-numeric: tabular-nums; }
ul { margin: 0; padding-left: 18px; font-size: 14px; font-variant-numeric: tabular-nums; }
</style>
"""


class AircraftCard:
    """The aircraft that `state.aircraft` names. `drawn` is called with its rows (empty when it is closed)."""

    def __init__(self, hub: Hub, state: ViewState, drawn: Callable[[pd.DataFrame], None]) -> None:
        self._hub, self._state, self._drawn = hub, state, drawn
        self._asking: asyncio.Future[pd.DataFrame] | None = None
        self._asked = "", datetime.min
        self._asked_at, self._stale = -EVERY_SECONDS, True
        self._latest: pd.Series[Any] | None = None
        self._title = pmui.Typography("", variant="h6")
        close = pmui.Button(label="Close", variant="outlined", size="small", on_click=lambda _: self._close())
        self._progress = pmui.LinearProgress(
            visible=False, variant="indeterminate", sizing_mode="stretch_width", margin=0
        )
        self._sentence = pmui.Typography("", variant="body2", sx=QUIET)
        self._facts, self._anomalies = pn.pane.HTML("", margin=(0, 10)), pn.pane.HTML("", margin=(0, 10))
        self._span = Range1d(start=0, end=1)
        self._heights = {name: Range1d(start=0, end=1) for name in PROFILES}
        self._profiles = {name: ColumnDataSource({"time": [], "value": []}) for name in PROFILES}
        self._body = pmui.Column(
            self._facts,
            *(_profile(name, source, self._span, self._heights[name]) for name, source in self._profiles.items()),
            pmui.Typography("Anomalies of the last hour", variant="subtitle2"),
            self._anomalies,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.view = pmui.Paper(
            pmui.FlexBox(
                self._title, close, align_items="center", justify_content="space-between", sizing_mode="stretch_width"
            ),
            self._progress,
            self._sentence,
            self._body,
            visible=bool(state.aircraft),
            elevation=0,
            margin=0,
            sizing_mode="stretch_width",
            sx=CARD,
        )
        self._turn()

    def show(self, newest: datetime | None, *, changed: bool) -> None:
        """Take an answer that has come; ask again when the sky has changed, at most every ten seconds."""
        if self._state.aircraft != self._turned_to:
            self._turn()
        self._stale |= changed
        self._take()
        icao24 = self._state.aircraft
        if not icao24:
            return
        self._show_facts()
        if self._stale and self._asking is None and newest and time.monotonic() - self._asked_at >= EVERY_SECONDS:
            self._stale, self._asked_at = False, time.monotonic()
            self._asked = icao24, newest
            self._asking = asyncio.ensure_future(self._hub.ask(sightings.last_hour, icao24, newest))

    def _take(self) -> None:
        """Show the answer, unless the person has gone on to another aircraft meanwhile."""
        if self._asking is None or not self._asking.done():
            return
        answer, self._asking = self._asking, None
        icao24, newest = self._asked
        if answer.cancelled() or icao24 != self._state.aircraft:
            self._stale, self._asked_at = True, -EVERY_SECONDS
            return
        update(self._progress, visible=False)
        error = answer.exception()
        if error is None:
            self._show_rows(icao24, newest, answer.result())
        else:
            update(self._sentence, object=f"The last hour could not be read: {escape(str(error))}", visible=True)

    def _turn(self) -> None:
        """Another aircraft, or none."""
        self._turned_to = icao24 = self._state.aircraft
        self._latest, self._stale, self._asked_at = None, True, -EVERY_SECONDS
        self._drawn(pd.DataFrame())
        update(self.view, visible=bool(icao24))
        update(self._title, object=f"Aircraft {icao24}")
        update(self._body, visible=False)
        update(self._sentence, object="Reading the last hour.", visible=True)
        update(self._progress, visible=bool(icao24))

    def _close(self) -> None:
        self._state.aircraft = ""

    def _show_rows(self, icao24: str, newest: datetime, rows: pd.DataFrame) -> None:
        self._drawn(rows)
        if rows.empty:
            told = f"No report of an aircraft {icao24} in the hour before {newest.astimezone(UTC):%H:%M:%S} UTC."
            update(self._sentence, object=told, visible=True)
            update(self._body, visible=False)
            return
        self._latest = rows.iloc[-1]
        update(self._title, object=escape(self._latest["callsign"] or f"Aircraft {icao24}"))
        update(self._sentence, visible=False)
        self._show_facts()
        update(self._anomalies, object=TABLE + anomaly_lines(rows, LIMITS[self._hub.settings.limits]))
        self._show_profiles(newest, rows)
        update(self._body, visible=True)

    def _show_facts(self) -> None:
        if self._latest is not None:
            lines = {**identity(self._latest), **latest_report(self._latest, datetime.now(UTC))}
            rows = "".join(
                f"<tr><th scope='row'>{escape(name)}</th><td>{escape(told)}</td></tr>" for name, told in lines.items()
            )
            update(self._facts, object=f"{TABLE}<table>{rows}</table>")

    def _show_profiles(self, newest: datetime, rows: pd.DataFrame) -> None:
        for name, source in self._profiles.items():
            moments, values = broken(rows, name)
            source.data = {"time": moments, "value": values.astype(np.float32)}
            known = values[np.isfinite(values)]
            low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
            room = max(1.0, ROOM * (high - low))
            self._heights[name].update(start=low - room, end=high + room)
        until = max(pd.Timestamp(newest), rows["event_timestamp"].iloc[-1]).tz_convert(None)
        self._span.update(start=until - pd.Timedelta(sightings.HOUR), end=until)


def broken(rows: pd.DataFrame, *names: str) -> tuple[npt.NDArray[Any], ...]:
    """Times (UTC, without zone) and the named columns, with a NaN where the aircraft was silent for over 15 minutes."""
    moments = rows["event_timestamp"].dt.tz_convert(None).to_numpy("datetime64[ms]")
    silent = np.flatnonzero(np.diff(moments) > np.timedelta64(SILENCE_SECONDS, "s")) + 1
    values = (np.insert(rows[name].to_numpy(np.float64), silent, np.nan) for name in names)
    return np.insert(moments, silent, moments[silent]), *values


def _profile(name: str, source: ColumnDataSource, across: Range1d, up: Range1d) -> Any:
    title, unit, colour = PROFILES[name]
    plot = figure(
        x_axis_type="datetime",
        x_range=across,
        y_range=up,
        height=150,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
    )
    plot.line("time", "value", source=source, line_color=colour, line_width=2)
    dots = plot.scatter("time", "value", source=source, size=3, color=colour)
    tips = [("time", "@time{%H:%M:%S} UTC"), (title.lower(), f"@value{{0,0}} {unit}")]
    plot.add_tools(HoverTool(tooltips=tips, formatters={"@time": "datetime"}, renderers=[dots], mode="vline"))
    plot.yaxis.axis_label = f"{title} ({unit})"
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
    return pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0)
