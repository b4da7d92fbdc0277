"""The Live tab: aircraft per flight phase, now and over the last hour."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure
from hub import Hub
from snapshot import Snapshot
from view_state import ViewState

from pipeline import serving
from pipeline.palette import PHASE_COLOURS
from pipeline.serving import Headline
from pipeline.tables import PHASES

MINUTE_MS = 60_000
HALF_A_MINUTE = timedelta(seconds=30)
ROOM = 1.06
TILES = {"active": "Active flights", "altitude": "Mean altitude", "speed": "Mean ground speed"}
OPACITY = {"running": 0.35, "provisional": 0.8, "final": 1.0, "not sampled": 1.0, "revised": 1.0}


class LiveTab:
    """One session's view of the hub's snapshot."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state, self._user = hub, state, user
        self._bars = ColumnDataSource(
            {"phase": list(PHASES), "aircraft": [0.0] * len(PHASES), "colour": list(PHASE_COLOURS.values())}
        )
        self._hour = ColumnDataSource({name: [] for name in ("minute", "state", "opacity", *PHASES)})
        self._most, self._span, self._top = Range1d(0, 1), Range1d(0, 1), Range1d(0, 1)
        self._tiles = {name: _tile(title) for name, title in TILES.items()}
        self._caption = pmui.Typography("Waiting for the first observations.", variant="body2", sx={"opacity": 0.8})
        self.view = pmui.Column(
            pmui.FlexBox(*(tile["card"] for tile in self._tiles.values()), gap="16px", sizing_mode="stretch_width"),
            self._caption,
            pmui.FlexBox(
                _card("Aircraft per phase, last full minute", _bars_figure(self._bars, self._most)),
                _card("Flights per phase over the last hour", _hour_figure(self._hour, self._span, self._top)),
                gap="16px",
                sizing_mode="stretch_width",
            ),
            sizing_mode="stretch_width",
            margin=(12, 16),
        )

    def show(self, snapshot: Snapshot) -> None:
        """Send what is new to the browser."""
        if snapshot.trouble:
            self._caption.object = snapshot.trouble
        if snapshot.newest is None or snapshot.headline is None:
            return
        self._show_headline(snapshot.headline)
        minutes, newest = snapshot.minutes, snapshot.newest
        minutes = minutes.iloc[-60:]
        states = list(minutes["state"])
        self._hour.data = {
            "minute": minutes.index.tz_localize(None).to_numpy(),
            "state": states,
            "opacity": np.array([OPACITY[state] for state in states], np.float32),
            **{phase: minutes[phase].to_numpy(np.float32) for phase in PHASES},
        }
        headline = snapshot.headline.window_start
        row = minutes.loc[headline] if headline in minutes.index else pd.Series(np.nan, index=PHASES)
        self._span.update(start=minutes.index[0] - HALF_A_MINUTE, end=minutes.index[-1] + HALF_A_MINUTE)
        self._top.end = ROOM * max(1.0, float(minutes[list(PHASES)].sum(axis=1).max()))
        self._most.end = ROOM * max(1.0, float(np.nan_to_num(row[list(PHASES)].to_numpy(float)).max()))
        self._bars.patch({"aircraft": [(slice(None), row[list(PHASES)].to_numpy(np.float64))]})

    def _show_headline(self, headline: Headline) -> None:
        self._tiles["active"]["value"].object = _shown(headline.active_flights, "")
        self._tiles["altitude"]["value"].object = _shown(headline.mean_altitude_meters, " m")
        self._tiles["speed"]["value"].object = _shown(headline.mean_velocity_kmh, " km/h")
        end = headline.window_start + timedelta(minutes=1)
        self._caption.object = (
            f"Minute {headline.window_start:%H:%M}–{end:%H:%M} UTC, the last full one. "
            "In the chart the running minute is pale, and a gap is a minute without reports."
        )


def _state(row: pd.Series[float], minute: Any, newest: Any) -> str:
    return "not sampled" if row.isna().all() else serving.window_state(minute, newest)


def _shown(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:,.0f}{unit}"


def _tile(title: str) -> dict[str, Any]:
    value = pmui.Typography("–", variant="h4", sx={"fontVariantNumeric": "tabular-nums"})
    label = pmui.Typography(title, variant="body2", sx={"opacity": 0.8})
    return {
        "value": value,
        "card": pmui.Paper(label, value, elevation=1, min_width=220, sx={"p": 2, "flex": "1 1 220px"}),
    }


def _card(title: str, plot: Any) -> Any:
    heading = pmui.Typography(title, variant="subtitle1")
    pane = pn.pane.Bokeh(plot, sizing_mode="stretch_width")
    return pmui.Paper(heading, pane, elevation=1, margin=0, sx={"p": 2}, styles={"flex": "1 1 340px", "minWidth": "0"})


def _bars_figure(source: ColumnDataSource, across: Range1d) -> Any:
    plot = figure(
        y_range=list(reversed(PHASES)), height=320, sizing_mode="stretch_width", toolbar_location=None, tools=""
    )
    plot.hbar(y="phase", right="aircraft", height=0.75, color="colour", source=source)
    plot.add_tools(HoverTool(tooltips=[("phase", "@phase"), ("aircraft", "@aircraft{0,0}")]))
    plot.xaxis.axis_label = "aircraft"
    plot.xaxis.formatter = NumeralTickFormatter(format="0,0")
    plot.ygrid.visible = False
    return plot


def _hour_figure(source: ColumnDataSource, across: Range1d, up: Range1d) -> Any:
    plot = figure(
        x_axis_type="datetime",
        x_range=across,
        y_range=up,
        height=320,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
    )
    bars = plot.vbar_stack(
        list(PHASES),
        x="minute",
        width=MINUTE_MS,
        color=list(PHASE_COLOURS.values()),
        line_color=None,
        fill_alpha="opacity",
        legend_label=[phase.title() for phase in PHASES],
        source=source,
    )
    tips = [
        ("minute", "@minute{%H:%M} UTC"),
        ("window", "@state"),
        *((phase.title(), f"@{phase}{{0,0}}") for phase in PHASES),
    ]
    plot.add_tools(HoverTool(tooltips=tips, formatters={"@minute": "datetime"}, renderers=[bars[-1]], mode="vline"))
    plot.yaxis.axis_label = "aircraft"
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
    plot.add_layout(plot.legend[0], "below")
    plot.legend.orientation, plot.legend.ncols = "horizontal", 3
    return plot
