"""The Alerts tab's charts: the ten countries with the highest rate, the last day by country and hour, and a rehearsal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    FactorRange,
    HoverTool,
    LinearColorMapper,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from pipeline import alerting
from pipeline.alert_words import country, share
from pipeline.palette import ANOMALY

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
INK = {"light": "#1f2933", "dark": "#e6edf5"}
LEAST_SCALE = 5.0
# One hue from the page's ground to its opposite, growing evenly in lightness: read without telling colours apart.
HEAT = {
    "light": ("#fdf3e1", "#fbdfae", "#f7c476", "#ee9f3f", "#d9771b", "#b3530e", "#833709", "#512005"),
    "dark": ("#2c2a2b", "#4d3520", "#75461a", "#a25a16", "#cf7420", "#ec983f", "#f8c27d", "#fdecc8"),
}


class TopTen:
    """Horizontal bars of the countries with the highest anomaly rate, with the aircraft written beside them."""

    def __init__(self, theme: str) -> None:
        self._source = ColumnDataSource({"country": [], "rate": [], "words": []})
        self._names, self._across = FactorRange(), Range1d(0, LEAST_SCALE)
        self.figure = figure(
            x_range=self._across,
            y_range=self._names,
            height=360,
            sizing_mode="stretch_width",
            toolbar_location=None,
            tools="",
        )
        bars = self.figure.hbar(
            y="country", right="rate", height=0.7, color=ANOMALY, line_color=None, source=self._source
        )
        self._ink = self.figure.text(
            x="rate",
            y="country",
            text="words",
            x_offset=6,
            text_baseline="middle",
            text_font_size="12px",
            source=self._source,
        )
        self.figure.add_tools(HoverTool(tooltips=[("@country", "@words")], renderers=[bars]))
        self.figure.xaxis.axis_label = "anomalous aircraft, % of all seen"
        self.figure.ygrid.visible = False
        self.paint(theme)

    def show(self, ranked: pd.DataFrame) -> None:
        """Draw what `ranked` returned."""
        names = [country(name) for name in ranked["origin_country"]]
        rate = 100 * ranked["anomaly_rate"].to_numpy(np.float64)
        words = [share(row) for _, row in ranked.iterrows()]
        self._across.end = 1.9 * max(LEAST_SCALE, float(rate.max(initial=0)))
        self._names.factors = names[::-1]
        self._source.data = {"country": names, "rate": rate, "words": words}

    def paint(self, theme: str) -> None:
        """Take a theme's colours."""
        self._ink.glyph.text_color = INK[theme]


class Heat:
    """Anomaly rate of countries by hour; hours that nobody sampled are hatched, cells with too few aircraft dotted."""

    def __init__(self, theme: str) -> None:
        self._cells = ColumnDataSource(
            {name: [] for name in ("hour", "country", "percent", "aircraft", "anomalous", "windows")}
        )
        self._missing = ColumnDataSource({name: [] for name in ("left", "right", "bottom", "top")})
        self._few = ColumnDataSource({"hour": [], "country": []})
        self._names, self._span = FactorRange(), Range1d(0, 1)
        self._scale = LinearColorMapper(palette=HEAT[theme], low=0, high=LEAST_SCALE)
        self.figure = figure(
            x_axis_type="datetime",
            x_range=self._span,
            y_range=self._names,
            height=420,
            sizing_mode="stretch_width",
            toolbar_location=None,
            tools="",
        )
        self._draw()
        self.paint(theme)

    def show(self, cells: pd.DataFrame, windows: pd.Series) -> None:
        """Draw what `alerting.hours` returned."""
        names = alerting.highest(cells)
        cells = cells[cells["country"].isin(names)]
        hours = windows.index.tz_localize(None).to_numpy()
        half = np.timedelta64(30, "m")
        self._names.factors = [country(name) for name in names[::-1]]
        self._span.update(start=hours[0], end=hours[-1] + 2 * half)
        self._scale.high = max(LEAST_SCALE, float(np.ceil(100 * cells["anomaly_rate"].max())) if len(cells) else 0.0)
        self._cells.data = {
            "hour": cells["hour"].dt.tz_localize(None).to_numpy() + half,
            "country": [country(name) for name in cells["country"]],
            "percent": (100 * cells["anomaly_rate"]).to_numpy(np.float32),
            "aircraft": cells["aircraft"].to_numpy(np.int32),
            "anomalous": cells["anomalous"].to_numpy(np.int32),
            "windows": windows.loc[cells["hour"]].to_numpy(np.int32),
        }
        gaps = hours[windows.to_numpy() == 0]
        height = np.full(len(gaps), float(len(names)))
        self._missing.data = {"left": gaps, "right": gaps + 2 * half, "bottom": np.zeros(len(gaps)), "top": height}
        known = set(zip(cells["hour"], cells["country"], strict=True))
        few = [(hour, name) for hour in windows.index[windows > 0] for name in names if (hour, name) not in known]
        for item, there in zip(self.figure.legend[0].items, (len(gaps) > 0, len(few) > 0), strict=True):
            item.visible = there
        self._few.data = {
            "hour": pd.DatetimeIndex([hour for hour, _ in few]).tz_localize(None).to_numpy("datetime64[ns]") + half,
            "country": [country(name) for _, name in few],
        }

    def paint(self, theme: str) -> None:
        """Take a theme's colours."""
        self._scale.palette = HEAT[theme]
        self._hatch.glyph.hatch_color = INK[theme]
        self._dots.glyph.update(fill_color=INK[theme], line_color=None)

    def _draw(self) -> None:
        cells = self.figure.rect(
            x="hour",
            y="country",
            width=0.94 * HOUR_MS,
            height=0.9,
            fill_color={"field": "percent", "transform": self._scale},
            line_color="#8a8f98",
            line_width=0.5,
            source=self._cells,
        )
        self._hatch = self.figure.quad(
            "left", "right", "top", "bottom", source=self._missing, fill_color=None, line_color=None,
            hatch_pattern="/", hatch_alpha=0.25, hatch_scale=10, legend_label="not sampled",
        )  # fmt: skip
        self._dots = self.figure.scatter(
            "hour", "country", source=self._few, size=4, alpha=0.6, legend_label="too few aircraft"
        )
        tips = [
            ("country", "@country"),
            ("hour", "@hour{%H}:00 UTC"),
            ("anomaly rate", "@percent{0.0} %"),
            ("aircraft at once", "up to @aircraft{0,0}"),
            ("anomalous, summed over windows", "@anomalous{0,0}"),
            ("windows of 5 minutes sampled", "@windows of 12"),
        ]
        self.figure.add_tools(HoverTool(tooltips=tips, formatters={"@hour": "datetime"}, renderers=[cells]))
        self.figure.add_tools(HoverTool(tooltips="not sampled", renderers=[self._hatch]))
        self.figure.grid.visible = False
        _legend_above(self.figure)
        bar = ColorBar(
            color_mapper=self._scale,
            ticker=BasicTicker(desired_num_ticks=5),
            formatter=NumeralTickFormatter(format="0.[0]"),
            title="anomalous aircraft, %",
            height=10,
        )
        self.figure.add_layout(bar, "below")


def _legend_above(plot: Any) -> None:
    plot.add_layout(plot.legend[0], "above")
    plot.legend.update(orientation="horizontal", label_text_font_size="12px", location="left", margin=0)


class Compared:
    """Countries in alert in each window of the rehearsed hour: by Gold, and with the limit moved."""

    def __init__(self, theme: str) -> None:
        self._source = ColumnDataSource({"window": [], "present": [], "moved": []})
        self._span, self._up = Range1d(0, 1), Range1d(0, 1)
        self.figure = figure(
            x_axis_type="datetime",
            x_range=self._span,
            y_range=self._up,
            height=240,
            sizing_mode="stretch_width",
            toolbar_location=None,
            tools="",
        )
        moved = self.figure.vbar(
            "window", 0.9 * MINUTE_MS, "moved", color=ANOMALY, alpha=0.75, line_color=None, source=self._source,
            legend_label="limit moved",
        )  # fmt: skip
        self._line = self.figure.step(
            "window",
            "present",
            mode="center",
            line_width=2,
            source=self._source,
            legend_label="present limits",
        )
        tips = [("window begins", "@window{%H:%M} UTC"), ("present", "@present"), ("moved", "@moved")]
        self.figure.add_tools(
            HoverTool(tooltips=tips, formatters={"@window": "datetime"}, renderers=[moved], mode="vline")
        )
        self.figure.yaxis.axis_label = "countries in alert"
        self.figure.yaxis.ticker = BasicTicker(min_interval=1, desired_num_ticks=5)
        _legend_above(self.figure)
        self.paint(theme)

    def show(self, windows: pd.DataFrame) -> None:
        """Draw `Rehearsal.windows`."""
        starts = windows.index.tz_localize(None).to_numpy()
        self._span.update(start=starts[0] - np.timedelta64(30, "s"), end=starts[-1] + np.timedelta64(30, "s"))
        self._up.end = 1.1 * max(4.0, float(windows.to_numpy().max()))
        self._source.data = {
            "window": starts,
            "present": windows["present"].to_numpy(np.int32),
            "moved": windows["moved"].to_numpy(np.int32),
        }

    def paint(self, theme: str) -> None:
        """Take a theme's colours."""
        self._line.glyph.line_color = INK[theme]
