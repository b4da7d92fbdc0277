"""The map as one Bokeh figure: coast, aircraft, emergencies, and the track of the aircraft that is open.

Drawn with WebGL. What moves is sent as numpy columns; the view stays where the person left it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.events import Reset
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    CustomJS,
    CustomJSHover,
    CustomJSTickFormatter,
    HoverTool,
    LinearColorMapper,
    Range1d,
    TapTool,
    WheelZoomTool,
)
from bokeh.plotting import figure
from coastline import lines
from packed_sky import MISSING

from pipeline.palette import PHASE_COLOURS
from pipeline.tables import PHASES

Columns = Mapping[str, npt.NDArray[Any]]

COAST, BORDER, GRID = "#7d8896", "#9aa4b1", "#8a94a3"
EMERGENCY = "#e0352f"
OUTLINE = "#0f1b29"
INK = {"light": OUTLINE, "dark": "#ffffff"}
PALETTE = (*PHASE_COLOURS.values(), "#777777")
TOUCH = 18  # diameter in screen pixels of the place that answers to the pointer
RING, SELECTED_RING, LARGER = 30, 24, 6
HEIGHT_PX = 520
WORLD = (-2.0e7, -8.5e6, 2.0e7, 1.45e7)
CLOSE_M = 1_200_000.0
ROOM = 0.06
EMPTY: dict[str, npt.NDArray[Any]] = {
    name: np.zeros(0, kind)
    for name, kind in (
        ("x", np.float32),
        ("y", np.float32),
        ("start", np.int16),
        ("end", np.int16),
        ("radius", np.uint8),
        ("phase", np.uint8),
        ("first", np.uint32),
        ("last", np.uint32),
        ("icao24", np.uint32),
        ("country", np.uint16),
        ("altitude", np.int32),
        ("speed", np.int32),
        ("time", np.uint32),
    )
}

# The map leaves room on the screen for what is around it, on a phone too.
HEIGHT = """
const tall = Math.round(Math.max(320, Math.min(0.53 * window.innerHeight, 0.95 * window.innerWidth, 720)))
if (plot.height != tall) plot.height = tall
"""
# Mercator must not be squeezed. A new size keeps centre and scale; other proportions get room on one side.
FIT = """
if (plot.properties.inner_width.is_unset || plot.properties.inner_height.is_unset) return  // not drawn yet
const w = plot.inner_width, h = plot.inner_height
if (!(w > 0 && h > 0)) return
const before = (cb_obj === plot ? plot._fitted : null) ?? {w, h}
plot._fitted = {w, h}
const sx = (x.end - x.start) / before.w, sy = (y.end - y.start) / before.h
const scale = Math.abs(sx - sy) < 0.01 * sx ? sx : Math.max((x.end - x.start) / w, (y.end - y.start) / h)
const cx = (x.start + x.end) / 2, cy = (y.start + y.end) / 2
if (Math.abs((x.end - x.start) - scale * w) > scale)
  x.setv({start: cx - scale * w / 2, end: cx + scale * w / 2})
if (Math.abs((y.end - y.start) - scale * h) > scale)
  y.setv({start: cy - scale * h / 2, end: cy + scale * h / 2})
"""
LONGITUDE = """
const degrees = Number((180 * tick / 20037508.34).toFixed(3))
return Math.abs(degrees) + "°" + (degrees < 0 ? "W" : degrees > 0 ? "E" : "")
"""
LATITUDE = """
const degrees = Number((360 / Math.PI * Math.atan(Math.exp(tick / 6378137)) - 90).toFixed(3))
return Math.abs(degrees) + "°" + (degrees < 0 ? "S" : degrees > 0 ? "N" : "")
"""
OPEN = """
const found = cb_data.source.selected.indices
if (found.length == 0) return
const address = cb_data.source.data.icao24[found[0]]
cb_data.source.selected.indices = []
opened.data = {icao24: [address], time: [Date.now()]}
"""
# `value` is the column's number at the aircraft under the pointer; Bokeh escapes the text.
DECODE = {
    "first": """
        const letters = []
        for (const half of [value, source.data.last[special_vars.index]])
          for (const shift of [24, 16, 8, 0])
            if ((half >>> shift) & 255) letters.push(String.fromCharCode((half >>> shift) & 255))
        return letters.join("") || "–"
    """,
    "icao24": 'return value.toString(16).padStart(6, "0")',
    "country": 'return countries[value] || "–"',
    "phase": 'return phases[value] ?? "–"',
    "altitude": 'return value == MISSING ? "–" : Math.round(value).toLocaleString("en") + " m"',
    "speed": 'return value == MISSING ? "–" : Math.round(value).toLocaleString("en") + " km/h"',
    "start": """
        const opening = source.data.end[special_vars.index] - value
        return opening == 360 ? "–" : ((630 - value - opening / 2) % 360) + "°"
    """,
    "time": """
        const age = Math.max(0, Math.round(Date.now() / 1000 - value))
        const words = age < 100 ? age + " s" : age < 6000 ? Math.round(age / 60) + " min" : Math.round(age / 3600) + " h"
        return new Date(1000 * value).toISOString().slice(11, 19) + " UTC, " + words + " old"
    """,
}
TIPS = {
    "first": "callsign",
    "icao24": "icao24",
    "country": "country",
    "phase": "phase",
    "altitude": "altitude",
    "speed": "speed",
    "start": "track",
    "time": "report",
}


class SkyMap:
    """One session's map. `opened` is called with the icao24 of an aircraft that was clicked."""

    def __init__(self, theme: str, opened: Callable[[str], None]) -> None:
        self._across, self._up = Range1d(start=WORLD[0], end=WORLD[2]), Range1d(start=WORLD[1], end=WORLD[3])
        self._sky, self._emergencies = ColumnDataSource(dict(EMPTY)), ColumnDataSource(dict(EMPTY))
        self._track, self._chosen = _points(), _points()
        self._clicked = ColumnDataSource({"icao24": [], "time": []})
        self._clicked.on_change("data", lambda _, __, new: opened(f"{int(new['icao24'][0]):06x}"))
        self._looked = ColumnDataSource({"at": [0]})
        self.figure = _empty_figure(self._across, self._up, self._looked)
        self._lines = self._draw()
        self._decoders = [self._add_hover(source, place) for source, place in self._places]
        tap = TapTool(
            renderers=[place for _, place in self._places], callback=CustomJS(code=OPEN, args={"opened": self._clicked})
        )
        self.figure.add_tools(tap)
        self.wear(theme)

    def show(self, sky: Columns, emergencies: Columns, countries: Sequence[str]) -> None:
        """Draw aircraft (`PackedSky.columns`); the emergencies lie on top."""
        for decoder in self._decoders:
            if decoder.args["countries"] != list(countries):
                decoder.args = {**decoder.args, "countries": list(countries)}
        larger = {**emergencies, "radius": emergencies["radius"] + np.uint8(LARGER)}
        for source, columns in ((self._sky, sky), (self._emergencies, larger)):
            if len(columns["x"]) or len(source.data["x"]):
                source.data = dict(columns)

    def show_track(self, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> None:
        """Draw the way of the aircraft that is open (Mercator metres, NaN ends a piece), and a ring around its end."""
        self._track.data = {"x": x, "y": y}
        last = np.flatnonzero(np.isfinite(x))[-1:]
        self._chosen.data = {"x": x[last], "y": y[last]}

    def centre(self, x: float, y: float) -> None:
        """Bring a point near, in the middle of the view."""
        self._look_at(x, y, CLOSE_M, CLOSE_M)

    def frame(self, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], *, look: bool) -> None:
        """Make the part of the world that holds all points the one that Reset shows, and `look` at it."""
        left, right, low, high = float(x.min()), float(x.max()), float(y.min()), float(y.max())
        room = max(ROOM * (right - left), ROOM * (high - low), CLOSE_M / 2)
        self._across.update(reset_start=left - room, reset_end=right + room)
        self._up.update(reset_start=low - room, reset_end=high + room)
        if look:
            self._look_at((left + right) / 2, (low + high) / 2, right - left + 2 * room, high - low + 2 * room)

    def wear(self, theme: str) -> None:
        """Ink for the theme: outlines, track and ring have to stand out from the ground."""
        for glyph in self._lines:
            glyph.line_color = INK[theme]

    def _look_at(self, x: float, y: float, width: float, height: float) -> None:
        """Show at least this much around a point; the browser then gives it the proportions of the plot."""
        self._across.update(start=x - width / 2, end=x + width / 2)
        self._up.update(start=y - height / 2, end=y + height / 2)
        self._looked.data = {"at": [self._looked.data["at"][0] + 1]}

    def _draw(self) -> list[Any]:
        """Everything from the ground up; returns the glyphs that change their ink with the theme."""
        plot = self.figure
        for name, colour, width in (("borders", BORDER, 0.5), ("coast", COAST, 1.0)):
            x, y = lines(name)
            plot.line("x", "y", source=ColumnDataSource({"x": x, "y": y}), line_color=colour, line_width=width)
        track = plot.line("x", "y", source=self._track, line_width=2.5)
        dots = plot.scatter("x", "y", source=self._track, size=4, fill_color=None)
        _wedges(plot, self._sky, {"field": "phase", "transform": _colours()}, 0.5)
        plot.scatter("x", "y", source=self._emergencies, size=RING, fill_color=None, line_color=EMERGENCY, line_width=3)
        _wedges(plot, self._emergencies, EMERGENCY, 1.0)
        ring = plot.scatter("x", "y", source=self._chosen, size=SELECTED_RING, fill_color=None, line_width=2)
        self._places = [(source, _touch(plot, source)) for source in (self._sky, self._emergencies)]
        return [renderer.glyph for renderer in (track, dots, ring)]

    def _add_hover(self, source: ColumnDataSource, place: Any) -> CustomJSHover:
        """What a person reads at an aircraft; returns the decoder that knows the countries."""
        args = {"source": source, "phases": list(PHASES), "countries": [], "MISSING": MISSING}
        decoders = {name: CustomJSHover(args=args, code=code) for name, code in DECODE.items()}
        tips = [(label, f"@{name}{{custom}}") for name, label in TIPS.items()]
        formatters: dict[str, Any] = {f"@{name}": decoder for name, decoder in decoders.items()}
        self.figure.add_tools(
            HoverTool(tooltips=tips, formatters=formatters, renderers=[place], visible=False, limit=1)
        )
        return decoders["country"]


def _empty_figure(across: Range1d, up: Range1d, looked: ColumnDataSource) -> Any:
    """Axes in degrees with their grid, tools, and the code that keeps the proportions."""
    plot = figure(
        x_range=across,
        y_range=up,
        x_axis_type="mercator",
        y_axis_type="mercator",
        height=HEIGHT_PX,
        sizing_mode="stretch_width",
        output_backend="webgl",
        tools="pan,zoom_in,zoom_out",
        toolbar_location="above",
        min_border_left=48,
    )
    wheel = WheelZoomTool(zoom_on_axis=False)
    plot.add_tools(wheel, BoxZoomTool(match_aspect=True), "reset")
    plot.toolbar.active_scroll = wheel
    plot.toolbar.logo = None
    plot.xaxis.formatter, plot.yaxis.formatter = (
        CustomJSTickFormatter(code=LONGITUDE),
        CustomJSTickFormatter(code=LATITUDE),
    )
    plot.grid.grid_line_color, plot.grid.grid_line_alpha = GRID, 0.25
    fit = CustomJS(code=FIT, args={"plot": plot, "x": across, "y": up, "looked": looked})
    for name in ("inner_width", "inner_height"):
        plot.js_on_change(name, fit)
    plot.js_on_event(Reset, fit)
    looked.js_on_change("data", fit)
    plot.js_on_change("inner_width", CustomJS(code=HEIGHT, args={"plot": plot}))
    return plot


def _wedges(plot: Any, source: ColumnDataSource, colour: Any, outline: float) -> Any:
    return plot.wedge(
        "x",
        "y",
        source=source,
        radius="radius",
        radius_units="screen",
        start_angle="start",
        end_angle="end",
        start_angle_units="deg",
        end_angle_units="deg",
        fill_color=colour,
        line_color=OUTLINE,
        line_width=outline,
    )


def _touch(plot: Any, source: ColumnDataSource) -> Any:
    """Unseen discs that answer to the pointer: the wedges themselves are too thin to hit."""
    disc = plot.scatter("x", "y", source=source, size=TOUCH, fill_alpha=0, line_alpha=0)
    disc.selection_glyph = disc.nonselection_glyph = disc.hover_glyph = None
    return disc


def _colours() -> LinearColorMapper:
    return LinearColorMapper(palette=list(PALETTE), low=-0.5, high=len(PALETTE) - 0.5)


def _points() -> ColumnDataSource:
    return ColumnDataSource({"x": np.zeros(0, np.float32), "y": np.zeros(0, np.float32)})
