"""The pictures of the Live tab: plain Bokeh figures over sources that the tab fills."""

from __future__ import annotations

from collections.abc import Iterable
from math import pi
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from pipeline.palette import PHASE_COLOURS
from pipeline.tables import PHASES

MINUTE_MS = 60_000
ROOM = 1.06
LEFT_PX = 84  # room for the axis, so that the states stand below their minutes
OPACITY = {"not sampled": 1.0, "running": 0.35, "provisional": 0.8, "final": 1.0, "revised": 1.0}
STATES = {
    "not sampled": ("#ffffff", "x"),
    "running": ("#bcd7ee", "/"),
    "provisional": ("#56b4e9", " "),
    "final": ("#0072b2", " "),
    "revised": ("#e69f00", "."),
}


def phases_source() -> ColumnDataSource:
    """A row a phase, filled by `phases_columns`."""
    return ColumnDataSource(phases_columns(np.full(len(PHASES), np.nan)))


def phases_columns(aircraft: np.ndarray) -> dict[str, Any]:
    """Aircraft, share and wedge of the donut for each phase of one window; NaN is missing, and draws nothing."""
    known = np.nan_to_num(aircraft)
    share = known / max(known.sum(), 1.0)
    turned = pi / 2 - 2 * pi * np.concatenate([[0.0], np.cumsum(share)])
    words = ["–" if np.isnan(one) else f"{one:,.0f} ({part:.0%})" for one, part in zip(aircraft, share, strict=True)]
    named = {"phase": [phase.title() for phase in PHASES], "colour": list(PHASE_COLOURS.values()), "text": words}
    return named | {"aircraft": known, "share": share, "start": turned[1:], "end": turned[:-1]}


def donut(source: ColumnDataSource) -> Any:
    """Shares of the phases as a ring."""
    plot = figure(
        height=260, width=260, x_range=(-1.05, 1.05), y_range=(-1.05, 1.05), toolbar_location=None, tools="", match_aspect=True,
        name="Share of each flight phase", x_axis_type=None, y_axis_type=None,
    )  # fmt: skip
    plot.annular_wedge(
        0, 0, 0.6, 1.0, start_angle="start", end_angle="end", color="colour", line_color=None, source=source
    )
    plot.add_tools(HoverTool(tooltips=[("phase", "@phase"), ("aircraft", "@aircraft{0,0}"), ("share", "@share{0.0%}")]))
    return lean(plot)


def bars(source: ColumnDataSource, across: Range1d) -> Any:
    """Aircraft per phase as bars with their numbers."""
    plot = figure(
        y_range=FactorRange(*(phase.title() for phase in reversed(PHASES))), x_range=across, height=260,
        sizing_mode="stretch_width", toolbar_location=None, tools="", name="Aircraft in each flight phase",
    )  # fmt: skip
    plot.hbar(y="phase", right="aircraft", height=0.72, color="colour", source=source)
    plot.add_tools(HoverTool(tooltips=[("phase", "@phase"), ("aircraft", "@aircraft{0,0}"), ("share", "@share{0.0%}")]))
    plot.xaxis.formatter = NumeralTickFormatter(format="0,0")
    plot.xaxis.axis_label, plot.ygrid.visible = "aircraft", False
    return lean(plot)


def minutes_source() -> ColumnDataSource:
    """A row a minute: its state, how solid it is drawn, and aircraft per phase."""
    return ColumnDataSource({name: [] for name in ("minute", "state", "opacity", "colour", "hatch", *PHASES)})


def minutes_columns(minutes: pd.DataFrame) -> dict[str, Any]:
    """The columns of `minutes_source` for a part of the snapshot's minutes."""
    states = list(minutes["state"])
    return {
        "minute": minutes.index.tz_localize(None).to_numpy(),
        "state": states,
        "opacity": np.array([OPACITY[state] for state in states], np.float32),
        "colour": [STATES[state][0] for state in states],
        "hatch": [STATES[state][1] for state in states],
        **{phase: minutes[phase].to_numpy(np.float32) for phase in PHASES},
    }


def stacked(source: ColumnDataSource, across: Range1d, up: Range1d) -> Any:
    """Aircraft per phase over time, stacked; a minute that was not sampled leaves a gap, the running one is pale."""
    plot = figure(
        x_axis_type="datetime", x_range=across, y_range=up, height=320, sizing_mode="stretch_width", toolbar_location=None,
        tools="", name="Flights per phase over time", min_border_left=LEFT_PX,
    )  # fmt: skip
    drawn = plot.vbar_stack(
        list(PHASES), x="minute", width=MINUTE_MS, color=list(PHASE_COLOURS.values()), line_color=None,
        fill_alpha="opacity", legend_label=[phase.title() for phase in PHASES], source=source,
    )  # fmt: skip
    tips = [("minute", "@minute{%H:%M} UTC"), ("window", "@state")]
    tips += [(phase.title(), f"@{phase}{{0,0}}") for phase in PHASES]
    plot.add_tools(HoverTool(tooltips=tips, formatters={"@minute": "datetime"}, renderers=[drawn[-1]], mode="vline"))
    plot.yaxis.axis_label, plot.yaxis.formatter = "aircraft", NumeralTickFormatter(format="0,0")
    plot.add_layout(plot.legend[0], "below")
    plot.legend.orientation, plot.legend.ncols, plot.legend.border_line_color = "horizontal", 3, None
    return lean(plot)


def state_strip(source: ColumnDataSource, across: Range1d) -> Any:
    """A band below the chart: the state of each minute's window."""
    plot = figure(
        x_axis_type=None, y_axis_type=None, x_range=across, y_range=(0, 1), height=30, sizing_mode="stretch_width",
        toolbar_location=None, tools="", name="State of each minute", min_border_left=LEFT_PX,
    )  # fmt: skip
    band = plot.vbar(
        x="minute", width=MINUTE_MS, top=1, fill_color="colour", line_color=None, hatch_pattern="hatch",
        hatch_color="#5f6b7a", hatch_alpha=0.8, hatch_scale=6, source=source,
    )  # fmt: skip
    tips = [("minute", "@minute{%H:%M} UTC"), ("window", "@state")]
    plot.add_tools(HoverTool(tooltips=tips, formatters={"@minute": "datetime"}, renderers=[band], mode="vline"))
    return lean(plot)


def trends_source(names: Iterable[str]) -> ColumnDataSource:
    """The last hour of all headline figures, a column each: one source, so that a new minute is sent once."""
    return ColumnDataSource({"minute": [], **{name: [] for name in names}})


def sparkline(source: ColumnDataSource, name: str, title: str, form: str, across: Range1d, up: Range1d) -> Any:
    """A small line of one of the source's columns, without axes; gaps stay gaps."""
    plot = figure(
        x_axis_type=None, y_axis_type=None, x_range=across, y_range=up, height=56, sizing_mode="stretch_width",
        toolbar_location=None, tools="", min_border=2, name=f"{title} over the last hour",
    )  # fmt: skip
    line = plot.line("minute", name, source=source, line_width=2, color="#3a86c8")
    dots = plot.scatter("minute", name, source=source, size=4, color="#3a86c8", alpha=0.0, hover_alpha=1.0)
    tips = [("minute", "@minute{%H:%M} UTC"), (title, f"@{name}{{{form}}}")]
    plot.add_tools(HoverTool(tooltips=tips, formatters={"@minute": "datetime"}, renderers=[dots], mode="vline"))
    line.glyph.line_join = "round"
    return lean(plot)


def lean(plot: Any) -> Any:
    """A figure without its outline and without the copies of each glyph for rows chosen, not chosen or muted, of which it has none.

    They are a tenth of the server's work for each page that opens, and a view each in the browser.
    """
    plot.outline_line_color = None
    for renderer in plot.renderers:
        renderer.selection_glyph = renderer.nonselection_glyph = renderer.muted_glyph = None
    return plot
