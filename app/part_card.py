"""One part of the pipeline on the Control tab: state, figures, trends, trouble, and the buttons that act on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure
from header import update
from look import CARD, NUMBERS, QUIET
from plain_text import plain

TITLES = {
    "feed": "Feed",
    "bronze": "Bronze",
    "silver": "Silver",
    "quarantine": "Quarantine",
    "flight_phase_counts": "Gold: flights per phase",
    "anomaly_alerts": "Gold: anomaly alerts",
    "phase_predictions": "Model: phases (optional)",
}
COLOURS = {
    "running": "success",
    "done": "success",
    "starting": "info",
    "stopping": "info",
    "stalled": "warning",
    "failed": "error",
    "stopped": "secondary",
}
TRENDS = {"batch_ms": "ms a batch", "lag_seconds": "s behind", "backlog": "waiting"}
Act = Callable[[str, str], None]


class PartCard:
    """A part's card; `act(verb, name)` is called for a press of a button."""

    def __init__(self, name: str, act: Act, *, may_act: bool) -> None:
        self.name, self._may_act = name, may_act
        self._state = pmui.Chip("stopped", size="small", margin=0)
        self._figures = pmui.Typography("", variant="body2", sx=NUMBERS | QUIET, margin=0)
        self._trouble = pmui.Typography("", variant="body2", color="error", margin=0, visible=False)
        self._buttons = {verb: self._button(verb, act) for verb in self._verbs()}
        self._trend = ColumnDataSource({"at": [], **{column: [] for column in TRENDS}})
        self._span, self._tops = Range1d(0, 1), {column: Range1d(0, 1) for column in TRENDS}
        trends = [] if name == "feed" else [self._sparkline(column) for column in TRENDS]
        self.view = pmui.Paper(
            pmui.FlexBox(
                pmui.Typography(TITLES[name], variant="subtitle1", margin=0, width=200),
                self._state,
                *self._buttons.values(),
                gap="10px", align_items="center", margin=0, sizing_mode="stretch_width",
            ),
            self._figures,
            self._trouble,
            pmui.FlexBox(*trends, gap="16px", margin=0, sizing_mode="stretch_width"),
            elevation=0, margin=0, sx=CARD, css_classes=[f"part-{name}"], styles={"flex": "1 1 480px", "minWidth": "0"},
        )  # fmt: skip

    def show(self, part: dict[str, Any], *, undoable: bool) -> None:
        """Show a part's status; `undoable` says whether its last reset can be taken back."""
        state = part["state"]
        update(self._state, label=state, color=COLOURS[state])
        update(self._figures, object=figures(part))
        words = f"{part['cause'] or ''} {part['cure'] or ''}".strip()
        update(self._trouble, object=plain(words), visible=bool(words))
        down = state in ("stopped", "done", "failed")
        allowed = {"start": down, "stop": state != "stopped", "restart": not down, "reset": True, "undo": undoable}
        for verb, button in self._buttons.items():
            update(button, disabled=not (self._may_act and allowed[verb]))
        if "undo" in self._buttons:
            update(self._buttons["undo"], visible=undoable)

    def show_trend(self, samples: list[dict[str, Any]]) -> None:
        """Draw how the part did lately; what is not known is a gap."""
        parts = [sample["parts"][self.name] for sample in samples]
        at = np.array([sample["at"] * 1000 for sample in samples])
        columns = {column: np.array([part.get(column) for part in parts], np.float64) for column in TRENDS}
        self._trend.data = {"at": at} | columns
        if len(at):
            self._span.update(start=at[0], end=max(at[-1], at[0] + 1))
        for column, values in columns.items():
            self._tops[column].end = 1.1 * max(1.0, float(np.nan_to_num(values).max(initial=0)))

    def _sparkline(self, column: str) -> Any:
        """A small line of one figure over the last minutes, with its unit."""
        plot = figure(
            x_axis_type="datetime", x_range=self._span, y_range=self._tops[column], height=46, sizing_mode="stretch_width",
            toolbar_location=None, tools="", min_border=0, name=f"{TITLES[self.name]}: {TRENDS[column]} lately",
        )  # fmt: skip
        plot.line("at", column, source=self._trend, line_width=1.5, color="#3a86c8")
        dots = plot.scatter("at", column, source=self._trend, size=4, alpha=0.0, hover_alpha=1.0, color="#3a86c8")
        tips = [("at", "@at{%H:%M:%S} UTC"), (TRENDS[column], f"@{column}{{0,0.0}}")]
        plot.add_tools(HoverTool(tooltips=tips, formatters={"@at": "datetime"}, renderers=[dots], mode="vline"))
        plot.axis.visible, plot.grid.visible, plot.outline_line_color = False, False, None
        label = pmui.Typography(TRENDS[column], variant="caption", sx=QUIET, margin=0)
        pane = pn.pane.Bokeh(plot, sizing_mode="stretch_width")
        return pmui.Column(label, pane, margin=0, styles={"flex": "1 1 110px", "minWidth": "0"})

    def _verbs(self) -> tuple[str, ...]:
        return ("start", "stop", "restart") if self.name == "feed" else ("start", "stop", "restart", "reset", "undo")

    def _button(self, verb: str, act: Act) -> Any:
        label = "Undo reset" if verb == "undo" else "Reset…" if verb == "reset" else verb.title()
        return pmui.Button(
            label=label,
            size="small",
            margin=0,
            variant="contained" if verb == "start" else "outlined",
            color="error" if verb == "reset" else "primary",
            description=f"{label.rstrip('…')} {TITLES[self.name]}",
            on_click=lambda event: act(verb, self.name),
        )


def figures(part: dict[str, Any]) -> str:
    """Rows, speed, batch time, lag, backlog, watermark and age of the last batch, as far as they are known."""
    told = [f"{part['rows_total']:,} rows"]
    if part["rows_per_second"]:
        told.append(f"{part['rows_per_second']:,.0f} rows/s")
    if part["batch_ms"]:
        told.append(f"{part['batch_ms']:,} ms a batch")
    if part["lag_seconds"] is not None:
        told.append(f"newest row was {part['lag_seconds']:,.1f} s old")
    if part["backlog"]:
        told.append(f"{part['backlog']:,} waiting")
    if part["watermark"] and not part["watermark"].startswith("1970"):
        told.append(f"watermark {part['watermark'][11:19]} UTC")
    if part["last_batch_at"]:
        told.append(f"last {max(0, time.time() - part['last_batch_at']):,.0f} s ago")
    return " · ".join(told)
