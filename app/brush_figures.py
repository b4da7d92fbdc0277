"""The brushed view's four plots: altitudes, speeds and times as histograms, and positions on the offline coastline.

All rows are grey, chosen ones have their phase's colour. A drag over a plot is told to `brushed`; what is brushed stays marked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from alert_figures import INK
from bokeh.events import DoubleTap, SelectionGeometry
from bokeh.models import (
    BoxAnnotation,
    BoxSelectTool,
    ColumnDataSource,
    CustomJSTickFormatter,
    LinearColorMapper,
    Range1d,
    WheelZoomTool,
)
from bokeh.plotting import figure
from coastline import degrees, lines, mercator
from map_figure import BORDER, COAST, LATITUDE, LONGITUDE, PALETTE

from explore.brush import MEASURES, Brushed, Brushes, Mask
from explore.brush_text import AREA, rounded
from pipeline.tables import PHASES

LABELS = {
    "altitude_meters": "Barometric altitude, m",
    "velocity_kmh": "Ground speed, km/h",
    "time_ms": "Time, UTC",
}
STACKED = (*PHASES, "none")
ALL_GREY = "#a9b1bb"
ROOM, LEAST_ROOM_M = 0.05, 300_000.0
Moved = Callable[[Brushes, bool], None]


class BrushFigures:
    """One session's plots. `moved(brushes, final)` is called while a person drags, and once more when the drag ends."""

    def __init__(self, theme: str, moved: Moved) -> None:
        self.brushes, self._moved = Brushes(), moved
        self._grey = {name: ColumnDataSource({"left": [], "right": [], "top": []}) for name in MEASURES}
        self._bars = {
            name: ColumnDataSource({"left": [], "right": [], **{one: [] for one in (*STACKED, "floor")}})
            for name in MEASURES
        }
        empty = np.zeros(0, np.float32)
        self._x = self._y = empty
        self._all = ColumnDataSource({"x": empty, "y": empty})
        self._chosen = ColumnDataSource({"x": empty, "y": empty, "phase": np.zeros(0, np.uint8)})
        self._marks: dict[str, Any] = {}
        self._inks: list[Any] = []
        self.histograms = {name: self._histogram(name) for name in MEASURES}
        self.map = self._map()
        self.paint(theme)

    def show(self, rows: Brushed) -> None:
        """Draw other rows; what is brushed stays."""
        everything = np.ones(len(rows.flights), bool)
        for name in MEASURES:
            ends, counts = rows.edges[name], rows.counts(name, everything).sum(axis=1)
            self._grey[name].data = {"left": ends[:-1], "right": ends[1:], "top": counts}
            plot = self.histograms[name]
            plot.x_range.update(start=float(ends[0]), end=float(ends[-1]))
            plot.y_range.update(start=0, end=1.06 * max(1, int(counts.max())))
        self._x, self._y = mercator(rows.longitude, rows.latitude)
        known = ~np.isnan(self._x) & ~np.isnan(self._y)
        x, y = self._x[known], self._y[known]
        self._all.data = {"x": x, "y": y}
        if len(x):
            self._look_at(float(x.min()), float(y.min()), float(x.max()), float(y.max()))

    def light(self, rows: Brushed, mask: Mask) -> None:
        """Give the chosen rows their colours."""
        for name in MEASURES:
            ends, counts = rows.edges[name], rows.counts(name, mask)
            tops = np.cumsum(counts, axis=1)
            columns = {one: tops[:, place] for place, one in enumerate(STACKED)}
            floor = np.zeros(len(counts), np.int64)
            self._bars[name].data = {"left": ends[:-1], "right": ends[1:], "floor": floor, **columns}
        placed = mask & ~np.isnan(self._x) & ~np.isnan(self._y)
        self._chosen.data = {"x": self._x[placed], "y": self._y[placed], "phase": rows.phase[placed]}

    def mark(self, brushes: Brushes) -> None:
        """Mark what was brushed elsewhere."""
        self.brushes, bands = brushes, dict(brushes.bands)
        for name in MEASURES:
            low, high = bands.get(name, (None, None))
            self._marks[name].update(left=low, right=high, visible=name in bands)
        if brushes.area is not None:
            (west, east), (south, north) = mercator(brushes.area[::2], brushes.area[1::2])
            self._marks[AREA].update(left=float(west), right=float(east), bottom=float(south), top=float(north))
        self._marks[AREA].visible = brushes.area is not None

    def paint(self, theme: str) -> None:
        """Take a theme's colours."""
        for mark in self._inks:
            mark.update(line_color=INK[theme], fill_color=INK[theme])

    def _drag(self, name: str, event: SelectionGeometry) -> None:
        shape = event.geometry
        if shape.get("type") != "rect":
            return
        low, high = sorted((float(shape["x0"]), float(shape["x1"])))
        south, north = sorted((float(shape["y0"]), float(shape["y1"])))
        if not np.isfinite([low, high, south, north]).all():
            return
        if name == AREA:
            brushes = self.brushes.with_area((*degrees(low, south), *degrees(high, north)))
        else:
            brushes = self.brushes.with_band(name, (low, high))
        self.mark(rounded(brushes))
        self._moved(self.brushes, bool(event.final))

    def _cleared(self) -> None:
        self.mark(Brushes())
        self._moved(self.brushes, True)

    def _histogram(self, name: str) -> Any:
        plot = figure(
            x_axis_type="datetime" if name == "time_ms" else "linear", x_range=Range1d(0, 1), y_range=Range1d(0, 1),
            height=190, min_width=200, sizing_mode="stretch_width", tools="", toolbar_location=None,
        )  # fmt: skip
        plot.quad("left", "right", "top", 0, source=self._grey[name], color=ALL_GREY, fill_alpha=0.45, line_color=None)
        below = "floor"
        for one, colour in zip(STACKED, PALETTE, strict=True):
            plot.quad("left", "right", one, below, source=self._bars[name], color=colour, line_color=None)
            below = one
        plot.xaxis.axis_label, plot.yaxis.axis_label = LABELS[name], "reports"
        plot.xaxis.ticker.desired_num_ticks = 5
        self._brushable(plot, name, "width")
        return plot

    def _map(self) -> Any:
        plot = figure(
            x_axis_type="mercator", y_axis_type="mercator", x_range=Range1d(-1, 1), y_range=Range1d(-1, 1),
            height=440, min_width=250, sizing_mode="stretch_width", output_backend="webgl", match_aspect=False,
            tools="pan,reset", toolbar_location="above",
        )  # fmt: skip
        for name, colour, width in (("borders", BORDER, 0.5), ("coast", COAST, 1.0)):
            x, y = lines(name)
            plot.line("x", "y", source=ColumnDataSource({"x": x, "y": y}), line_color=colour, line_width=width)
        colours = LinearColorMapper(palette=list(PALETTE), low=-0.5, high=len(PALETTE) - 0.5)
        plot.scatter("x", "y", source=self._all, size=3, color=ALL_GREY, alpha=0.5)
        plot.scatter("x", "y", source=self._chosen, size=4, color={"field": "phase", "transform": colours})
        plot.xaxis.formatter = CustomJSTickFormatter(code=LONGITUDE)
        plot.yaxis.formatter = CustomJSTickFormatter(code=LATITUDE)
        self._brushable(plot, AREA, "both")
        plot.add_tools(WheelZoomTool(zoom_on_axis=False))
        plot.toolbar.logo = None
        return plot

    def _brushable(self, plot: Any, name: str, dimensions: str) -> None:
        """Let a drag brush, a double click clear, and a frame mark what is brushed."""
        tool = BoxSelectTool(dimensions=dimensions, continuous=True, renderers=[])
        mark = BoxAnnotation(visible=False, fill_alpha=0.12, line_width=1.5, line_alpha=0.9)
        plot.add_tools(tool)
        plot.add_layout(mark)
        plot.toolbar.active_drag = tool
        plot.on_event(SelectionGeometry, lambda event: self._drag(name, event))
        plot.on_event(DoubleTap, lambda _: self._cleared())
        self._marks[name] = mark
        self._inks.append(mark)

    def _look_at(self, west: float, south: float, east: float, north: float) -> None:
        across = max(ROOM * (east - west), LEAST_ROOM_M)
        up = max(ROOM * (north - south), LEAST_ROOM_M)
        self.map.x_range.update(
            start=west - across, end=east + across, reset_start=west - across, reset_end=east + across
        )
        self.map.y_range.update(start=south - up, end=north + up, reset_start=south - up, reset_end=north + up)
