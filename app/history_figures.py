"""The History tab's charts: aircraft per phase as stacked areas, and the anomaly rate below them on the same time axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from alert_figures import INK
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    HoverTool,
    NumeralTickFormatter,
    PanTool,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

from pipeline.palette import ANOMALY, PHASE_COLOURS
from pipeline.tables import PHASES

MINUTE_MS = 60_000.0
LEFT = 70
ROOM = 1.06
LEAST_PERCENT = 1.0
Floats = npt.NDArray[np.float64]


class PastFigures:
    """Both charts of a range; they are zoomed together."""

    def __init__(self, theme: str) -> None:
        self.span = Range1d(0, 1)
        self._up, self._rates = Range1d(0, 1), Range1d(0, LEAST_PERCENT)
        self._areas = {phase: ColumnDataSource({"x": [], "y": []}) for phase in PHASES}
        self._steps = ColumnDataSource(
            {name: [] for name in ("time", "total", "before", "rate", "rate_before", "sampled", *PHASES)}
        )
        self._set = (0.0, 1.0)
        self.phases, self.rate = self._phases_figure(), self._rate_figure()
        self.paint(theme)

    @property
    def zoomed(self) -> tuple[float, float] | None:
        """What part of the range a person has zoomed to, in milliseconds; None while all of it shows."""
        shown = float(self.span.start), float(self.span.end)
        return None if np.allclose(shown, self._set, rtol=0, atol=1) else shown

    def show(self, steps: pd.DataFrame, before: pd.DataFrame | None, step_minutes: int, *, keep_zoom: bool) -> None:
        """Draw `past.history` of a range, and of the same range a day earlier."""
        start = milliseconds(steps)
        width = step_minutes * MINUTE_MS
        self._span(start[0], start[-1] + width, keep_zoom=keep_zoom)
        floor = np.zeros(len(steps))
        for phase in PHASES:
            top = floor + steps[phase].to_numpy(float)
            x, y = area(start, floor, top, width)
            self._areas[phase].data = {"x": x, "y": y}
            floor = top
        missing = np.full(len(steps), np.nan)
        earlier = missing if before is None else before[list(PHASES)].sum(axis=1, min_count=1).to_numpy(float)
        rate = 100 * steps["anomaly_rate"].to_numpy(float)
        rate_before = missing if before is None else 100 * before["anomaly_rate"].to_numpy(float)
        self._up.end = ROOM * top_of(1.0, floor, earlier)
        self._rates.end = ROOM * top_of(LEAST_PERCENT, rate, rate_before)
        self._steps.data = {
            "time": start + width / 2,
            "total": floor.astype(np.float32),
            "before": earlier.astype(np.float32),
            "rate": rate.astype(np.float32),
            "rate_before": rate_before.astype(np.float32),
            "sampled": steps["sampled"].to_numpy(np.float32),
            **{phase: steps[phase].to_numpy(np.float32) for phase in PHASES},
        }
        self._bars.glyph.width = width
        compared = before is not None and bool(before["sampled"].notna().any())
        for line in (*self._befores, self.phases.legend[0].items[-1], self.rate.legend[0]):
            line.visible = compared

    def paint(self, theme: str) -> None:
        """Take a theme's colours."""
        for line in self._befores:
            line.glyph.line_color = INK[theme]

    def _span(self, start: float, end: float, *, keep_zoom: bool) -> None:
        zoomed = self.zoomed is not None and self._set != (0.0, 1.0)
        self._set = (start, end)
        self.span.update(reset_start=start, reset_end=end)
        if not (keep_zoom and zoomed):
            self.span.update(start=start, end=end)

    def _phases_figure(self) -> Any:
        plot = _plot(self.span, self._up, 360)
        for phase in PHASES:
            plot.patch("x", "y", source=self._areas[phase], color=PHASE_COLOURS[phase], line_color=None,
                       legend_label=phase.title())  # fmt: skip
        self._bars = plot.vbar("time", MINUTE_MS, "total", source=self._steps, fill_alpha=0, line_color=None)
        self._befores = [
            plot.line(
                "time",
                "before",
                source=self._steps,
                line_width=2,
                line_dash="dashed",
                legend_label="All, a day earlier",
            )
        ]
        tips = [
            ("from", "@time{%m-%d %H:%M} UTC"),
            ("all", "@total{0,0}"),
            *((phase.title(), f"@{phase}{{0,0}}") for phase in PHASES),
            ("a day earlier", "@before{0,0}"),
            ("minutes sampled", "@sampled"),
        ]
        plot.add_tools(HoverTool(tooltips=tips, formatters={"@time": "datetime"}, renderers=[self._bars], mode="vline"))
        plot.yaxis.axis_label = "aircraft"
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
        _legend_below(plot)
        return plot

    def _rate_figure(self) -> Any:
        plot = _plot(self.span, self._rates, 220)
        line = plot.line("time", "rate", source=self._steps, line_width=2, color=ANOMALY, legend_label="Anomaly rate")
        plot.scatter("time", "rate", source=self._steps, size=3, color=ANOMALY)
        self._befores.append(
            plot.line(
                "time",
                "rate_before",
                source=self._steps,
                line_width=2,
                line_dash="dashed",
                legend_label="A day earlier",
            )
        )
        tips = [
            ("from", "@time{%m-%d %H:%M} UTC"),
            ("anomalous", "@rate{0.00} %"),
            ("a day earlier", "@rate_before{0.00} %"),
        ]
        plot.add_tools(HoverTool(tooltips=tips, formatters={"@time": "datetime"}, renderers=[line], mode="vline"))
        plot.yaxis.axis_label = "anomalous, %"
        _legend_below(plot)
        return plot


def milliseconds(steps: pd.DataFrame) -> Floats:
    """The index in milliseconds since 1970, as Bokeh's time axis has it."""
    index = pd.DatetimeIndex(steps.index).tz_localize(None)
    return index.to_numpy("datetime64[ms]").astype(np.int64).astype(np.float64)


def area(start: Floats, low: Floats, high: Floats, width: float) -> tuple[Floats, Floats]:
    """The outline between two stepped curves; NaN parts the pieces, so a gap stays a gap.

    Each step is as wide as it lasts, so a single sampled minute between two gaps shows too.
    """
    known = np.flatnonzero(~np.isnan(high))
    pieces = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(known) else []
    xs, ys = [np.empty(0)], [np.empty(0)]
    for piece in pieces:
        x = np.column_stack([start[piece], start[piece] + width]).ravel()
        xs += [x, x[::-1], np.array([np.nan])]
        ys += [np.repeat(high[piece], 2), np.repeat(low[piece], 2)[::-1], np.array([np.nan])]
    return np.concatenate(xs), np.concatenate(ys).astype(np.float32)


def top_of(least: float, *curves: Floats) -> float:
    """The highest of some values, missing ones left out, but not less than `least`."""
    return max(least, *(float(np.nanmax(curve)) for curve in curves if not np.isnan(curve).all()), least)


def _plot(span: Range1d, up: Range1d, height: int) -> Any:
    zoom = BoxZoomTool(dimensions="width")
    tools = [zoom, PanTool(dimensions="width"), WheelZoomTool(dimensions="width"), ResetTool()]
    plot = figure(
        x_axis_type="datetime", x_range=span, y_range=up, height=height, sizing_mode="stretch_width", tools=tools,
        toolbar_location="above", min_border_left=LEFT,
    )  # fmt: skip
    plot.toolbar.active_drag, plot.toolbar.active_scroll = zoom, None
    plot.toolbar.logo = None
    return plot


def _legend_below(plot: Any) -> None:
    plot.add_layout(plot.legend[0], "below")
    plot.legend.update(orientation="horizontal", ncols=3, label_text_font_size="12px", location="left", margin=0)
