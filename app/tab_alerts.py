"""The Alerts tab."""

from __future__ import annotations

import panel_material_ui as pmui
from hub import Hub
from snapshot import Snapshot
from view_state import ViewState


class AlertsTab:
    """One session's Alerts tab."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state = hub, state
        self.view = pmui.Column(pmui.Typography("Alerts"), sizing_mode="stretch_width", margin=(12, 16))

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new."""
