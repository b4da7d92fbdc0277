"""One alert explained: its windows, the reasons counted, and which aircraft, each with a way to the map."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel_material_ui as pmui
from header import update
from look import CARD, NUMBERS, QUIET
from plain_text import plain
from view_state import ViewState

from pipeline import alert_words
from pipeline.alerting import Alert

EXAMPLES = 5


class AlertCard:
    """The explanation of one alert; `show` takes another one."""

    def __init__(self, state: ViewState) -> None:
        self._state = state
        self._alert: Alert | None = None
        self._title = pmui.Typography("", variant="subtitle1", margin=0)
        self._window = pmui.Select(
            label="Window (UTC)", options=[], size="small", sizing_mode="stretch_width", margin=(8, 0)
        )
        self._told = pmui.Typography("", variant="body2", sx=NUMBERS, margin=0)
        self._counts = pmui.Typography("", variant="body2", sx=NUMBERS, margin=0)
        self._more = pmui.Typography("", variant="body2", sx=QUIET, margin=0)
        self._examples = [_Example(self._to_map) for _ in range(EXAMPLES)]
        self._window.param.watch(lambda _: self._show_window(), "value")
        self.view = pmui.Paper(
            pmui.Typography("Why", variant="h6", margin=0),
            self._title,
            self._window,
            self._told,
            self._counts,
            *(example.view for example in self._examples),
            self._more,
            elevation=0,
            margin=0,
            sx=CARD,
            styles={"flex": "1 1 340px", "minWidth": "0"},
        )

    def show(self, alert: Alert | None, *, ongoing: bool) -> None:
        """Explain an alert, at its peak at first; the window that was chosen stays when it is still there."""
        same = self._alert is not None and alert is not None and self._alert.country == alert.country
        chosen = self._window.value if same else None
        self._alert = alert
        update(self.view, visible=alert is not None)
        if alert is None:
            return
        update(self._title, object=plain(alert_words.headline(alert, ongoing=ongoing)))
        starts = {_label(row): row["window_start"].isoformat() for _, row in alert.windows[::-1].iterrows()}
        peak = alert.peak["window_start"].isoformat()
        value = chosen if chosen in starts.values() else peak
        if self._window.options != starts or self._window.value != value:
            self._window.param.update(options=starts, value=value)
        self._show_window()

    def _show_window(self) -> None:
        if self._alert is None:
            return
        rows = self._alert.windows
        row = rows[rows["window_start"].map(pd.Timestamp.isoformat) == self._window.value]
        if row.empty:
            return
        row = row.iloc[0]
        update(self._told, object=plain(alert_words.window(row)))
        update(self._counts, object=plain(alert_words.reason_counts(row)))
        examples = list(row["examples"])
        for place, shown in enumerate(self._examples):
            shown.show(examples[place] if place < len(examples) else None)
        left = int(row["anomalous_aircraft"]) - len(examples)
        update(self._more, object=f"and {left:,} more aircraft" if left > 0 else "", visible=left > 0)

    def _to_map(self, icao24: str) -> None:
        self._state.param.update(aircraft=icao24, tab="map")


class _Example:
    """One anomalous aircraft, and the button to the map."""

    def __init__(self, to_map: Any) -> None:
        self._icao24 = ""
        self._name = pmui.Typography("", variant="body2", sx={"fontWeight": 600}, margin=0)
        self._why = pmui.Typography("", variant="body2", sx=NUMBERS, margin=0)
        self._button = pmui.Button(label="Show on map", size="small", variant="outlined", margin=(4, 0))
        self._button.on_click(lambda _: to_map(self._icao24))
        self.view = pmui.Column(
            self._name, self._why, self._button, sizing_mode="stretch_width", margin=(8, 0, 0, 0), visible=False
        )

    def show(self, example: dict[str, Any] | None) -> None:
        update(self.view, visible=example is not None)
        if example is None:
            return
        self._icao24 = str(example["icao24"])
        name = f"{example['callsign'] or 'no callsign'} ({self._icao24})"
        update(self._name, object=plain(name))
        update(self._why, object=plain(alert_words.value_against_limit(example)))
        update(self._button, label=f"Show {self._icao24} on the map")


def _label(row: pd.Series) -> str:
    span = alert_words.span(row["window_start"], row["window_end"])
    return f"{span}, {alert_words.percent(row['anomaly_rate'])}"
