"""Fields beside the brushed plots: what is chosen by a drag can be typed, and stands there to be read."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui
from header import update
from view_state import ViewState

from explore.brush import Brushes
from explore.brush_text import AREA, EXAMPLES, NAMES, area_text, band_text, changed

LABELS = {"altitude": "Altitude, m", "speed": "Speed, km/h", "time": "Time, UTC", AREA: "Area, degrees"}


class BrushFields:
    """One session's fields, one for each plot in `views`. An empty one chooses nothing; Enter or leaving it chooses."""

    def __init__(self, state: ViewState) -> None:
        self._state = state
        self._told: Brushes | None = None
        self.views = {name: self._field(name) for name in (*NAMES, AREA)}

    def show(self, brushes: Brushes) -> None:
        """Let the fields say what is brushed, once it is something else."""
        if brushes == self._told:
            return
        self._told, bands = brushes, dict(brushes.bands)
        for name, field in self.views.items():
            words = area_text(brushes.area) if name == AREA and brushes.area is not None else ""
            if NAMES.get(name) in bands:
                words = band_text(NAMES[name], bands[NAMES[name]])
            update(field, value=words, error_state=False, helper_text="")

    def _field(self, name: str) -> Any:
        field = pmui.TextInput(
            label=f"{LABELS[name]}: from..to" if name != AREA else f"{LABELS[name]}: west,south,east,north",
            placeholder=EXAMPLES[name].partition(" (")[0], size="small", sizing_mode="stretch_width", margin=(10, 0, 4, 0),
            css_classes=[f"field-{name}"],
        )  # fmt: skip
        field.param.watch(lambda event: self._typed(name, event.new), "value")
        return field

    def _typed(self, name: str, words: str) -> None:
        try:
            brushes = changed(self._state.brushed, name, words or "")
        except ValueError as allowed:
            update(self.views[name], error_state=True, helper_text=f"It has to be {allowed}.")
            return
        update(self.views[name], error_state=False, helper_text="")
        self._state.brushed = brushes
