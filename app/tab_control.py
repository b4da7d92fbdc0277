"""The Control tab: every part of the pipeline with its state, and the buttons that start and stop it."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import panel_material_ui as pmui
from hub import Hub
from snapshot import Snapshot
from view_state import ViewState

from pipeline.errors import ContrailError
from pipeline.supervisor import PARTS

TITLES = {
    "feed": "Feed",
    "bronze": "Bronze",
    "silver": "Silver",
    "quarantine": "Quarantine",
    "flight_phase_counts": "Gold: flights per phase",
    "anomaly_alerts": "Gold: anomaly alerts",
}
COLOURS = {
    "running": "success",
    "done": "success",
    "starting": "info",
    "stopping": "info",
    "stalled": "warning",
    "failed": "error",
    "stopped": "default",
}


class ControlTab:
    """One session's view of the supervisor's status."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state, self._user = hub, state, user
        self._doing = pmui.Typography("", variant="body1")
        self._rows = {
            name: _Row(name, partial(self._act, "start", name), partial(self._act, "stop", name)) for name in PARTS
        }
        everything = pmui.Row(
            pmui.Button(label="Start all", color="primary", on_click=partial(self._act, "start", None)),
            pmui.Button(label="Stop all", color="error", variant="outlined", on_click=partial(self._act, "stop", None)),
            pmui.Button(label="Restart all", variant="outlined", on_click=partial(self._act, "restart", None)),
        )
        self.view = pmui.Column(
            self._doing,
            everything,
            *(row.view for row in self._rows.values()),
            sizing_mode="stretch_width",
            margin=(12, 16),
        )

    def show(self, snapshot: Snapshot) -> None:
        """Show what has changed; a model that did not change is not touched."""
        status = self._hub.status()
        if status is None:
            _assign(self._doing, "No pipeline has run on this lake yet.")
            return
        trouble = status.get("trouble")
        words = (
            f"{trouble['cause']} {trouble['cure']}" if trouble else f"{status['source'].title()} sky: {status['doing']}"
        )
        _assign(self._doing, self._hub.refusal or words)
        for name, part in status["parts"].items():
            self._rows[name].show(part)

    def _act(self, verb: str, name: str | None, event: Any) -> None:
        if self._hub.refusal:
            return
        try:
            getattr(self._hub.supervisor, verb)(*([name] if name else []))
        except ContrailError as error:
            _assign(self._doing, str(error))


class _Row:
    """One part: its state, its figures, its two buttons."""

    def __init__(self, name: str, start: Any, stop: Any) -> None:
        self._state = pmui.Chip("stopped", size="small", width=100)
        self._figures = pmui.Typography("", variant="body2", sx={"fontVariantNumeric": "tabular-nums"})
        self._trouble = pmui.Typography("", variant="body2", color="error")
        self._start = pmui.Button(label="Start", size="small", on_click=start, description=f"Start {name}")
        self._stop = pmui.Button(
            label="Stop", size="small", variant="outlined", on_click=stop, description=f"Stop {name}"
        )
        title = pmui.Typography(TITLES[name], variant="subtitle1", width=220)
        self.view = pmui.Paper(
            pmui.FlexBox(title, self._state, self._start, self._stop, self._figures, align_items="center", gap="12px"),
            self._trouble,
            elevation=1,
            sizing_mode="stretch_width",
            sx={"p": 1.5},
            css_classes=[f"part-{name}"],
            margin=(4, 0),
        )

    def show(self, part: dict[str, Any]) -> None:
        """Show a part's status."""
        state = part["state"]
        if self._state.label != state:
            self._state.label = state
        if self._state.color != COLOURS[state]:
            self._state.color = COLOURS[state]
        _assign(self._figures, _figures(part))
        _assign(self._trouble, f"{part['cause'] or ''} {part['cure'] or ''}".strip())
        stopped = state in ("stopped", "done", "failed")
        if self._start.disabled == stopped:
            self._start.disabled = not stopped
        if self._stop.disabled != stopped:
            self._stop.disabled = stopped


def _figures(part: dict[str, Any]) -> str:
    """Rows, speed, batch time, backlog and age of the last batch, as far as they are known."""
    told = [f"{part['rows_total']:,} rows"]
    if part["rows_per_second"]:
        told.append(f"{part['rows_per_second']:,.0f} rows/s")
    if part["batch_ms"]:
        told.append(f"{part['batch_ms']:,} ms a batch")
    if part["backlog"]:
        told.append(f"{part['backlog']:,} behind")
    if part["last_batch_at"]:
        told.append(f"last {max(0, time.time() - part['last_batch_at']):,.0f} s ago")
    return " · ".join(told)


def _assign(model: Any, text: str) -> None:
    if model.object != text:
        model.object = text
