"""What is always visible: where the data comes from, how old it is, and how the pipeline is."""

from __future__ import annotations

import panel_material_ui as pmui
from hub import Hub

LABELS = {"simulator": "SIMULATED", "opensky": "OpenSky", "replay": "REPLAY"}
COLOURS = {"fresh": "success", "late": "warning", "stale": "error", "none": "default"}


class Header:
    """One session's header."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        source = hub.settings.source
        self._age = pmui.Chip("no data yet", css_classes=["age"])
        self.view = pmui.Row(
            pmui.Chip(LABELS[source], color="warning" if source == "simulator" else "info", css_classes=["source"]),
            self._age,
        )

    def show(self) -> None:
        """Show the age of the data, and when it is old, why."""
        fresh = self._hub.freshness()
        age = "no data yet" if fresh.age_seconds is None else f"{age_words(fresh.age_seconds)} old"
        words = f"{age}: {fresh.reason}" if fresh.reason else age
        if self._age.label != words:
            self._age.label = words
        if self._age.color != COLOURS[fresh.level]:
            self._age.color = COLOURS[fresh.level]


def age_words(seconds: float) -> str:
    """An age as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.0f} h"
