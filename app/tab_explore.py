"""The Explore tab: figures, SQL tables, or the brushed view, all of the same part of Silver."""

from __future__ import annotations

from typing import Any, Protocol

import panel_material_ui as pmui
from explore_brush import BrushCard
from explore_figures import FigureCard
from explore_filters import Filters
from explore_queries import QueryCard
from header import update
from hub import Hub
from snapshot import Snapshot
from view_state import ViewState

LABELS = {"Figures": "figures", "SQL tables": "tables", "Brush": "brush"}


class Card(Protocol):
    """One way to look: `pick` chooses within it, `show` is called every 250 ms while it is looked at."""

    pick: Any
    view: Any

    def __init__(self, hub: Hub, state: ViewState, filters: Filters) -> None: ...

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new."""


CARDS: dict[str, type[Card]] = {"figures": FigureCard, "tables": QueryCard, "brush": BrushCard}


class ExploreTab:
    """One session's Explore tab; a card is built when it is first looked at."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state = hub, state
        self._filters = Filters(hub, state)
        self._cards: dict[str, Card] = {}
        self._choice = pmui.RadioButtonGroup(
            label="", options=LABELS, value=state.view, size="small", margin=0, width=320
        )
        self._choice.link(state, value="view", bidirectional=True)
        self._controls = pmui.FlexBox(gap="12px", sizing_mode="stretch_width", align_items="center", margin=(12, 0))
        self._place = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._turn()
        state.param.watch(lambda _: self._turn(), "view")
        self.view = pmui.Column(self._choice, self._controls, self._place, sizing_mode="stretch_width", margin=(12, 16))

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new in the card that is looked at."""
        self._cards[self._state.view].show(snapshot)

    def _turn(self) -> None:
        name = self._state.view
        if name not in self._cards:
            self._cards[name] = CARDS[name](self._hub, self._state, self._filters)
        card = self._cards[name]
        update(self._controls, objects=[card.pick, *self._filters.parts] if card.pick else [*self._filters.parts])
        update(self._place, objects=[card.view])
