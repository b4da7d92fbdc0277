"""The page of one session: header, tabs, and the periodic callback that keeps them live."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
from header import Header
from hub import the_hub
from sessions import detach_from_busy
from tab_control import ControlTab
from tab_live import LiveTab

PERIOD_MS = 250

pn.extension(notifications=False)


def page() -> Any:
    """Build the session's page and register what keeps it live."""
    hub = the_hub()
    header, live, control = Header(hub), LiveTab(hub), ControlTab(hub)
    tabs = pmui.Tabs(("Live", live.view), ("Control", control.view), dynamic=False, sizing_mode="stretch_width")
    shown = {"version": -1}

    async def tick() -> None:
        header.show()
        control.show(hub.status())
        if hub.latest.version != shown["version"]:
            shown["version"] = hub.latest.version
            live.show(hub.latest)

    pn.state.curdoc.add_periodic_callback(tick, PERIOD_MS)
    made = pmui.Page(title="Contrail", header=[header.view], main=[tabs], sidebar=[])
    detach_from_busy(made)
    return made


page().servable()
