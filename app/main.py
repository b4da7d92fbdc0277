"""The page of one session: header, tabs, and the periodic callback that keeps them live."""

from __future__ import annotations

import logging
from typing import Any, Protocol

import panel as pn
import panel_material_ui as pmui
from header import Header
from hub import Hub, the_hub
from look import STYLES, THEME
from panel.io.resources import LOCAL_DIST
from rights import this_user
from sessions import LIVING, begin_busy_cleanup, detach_from_busy, is_behind
from snapshot import Snapshot
from tab_alerts import AlertsTab
from tab_control import ControlTab
from tab_explore import ExploreTab
from tab_history import HistoryTab
from tab_live import LiveTab
from tab_map import MapTab
from view_state import TABS, Address, ViewState

PERIOD_MS = 250

log = logging.getLogger("contrail.app")

pn.extension(notifications=False)


class Tab(Protocol):
    """One tab of a session. Built when it is first looked at; `show` is called while it is looked at, every 250 ms.

    `show` runs on the server's event loop: it sends what has changed and returns at once. Questions to the tables go through
    `await hub.ask(…)` in a task of their own.
    """

    view: Any

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None: ...

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new."""


CLASSES: dict[str, type[Tab]] = {
    "live": LiveTab,
    "map": MapTab,
    "alerts": AlertsTab,
    "history": HistoryTab,
    "explore": ExploreTab,
    "control": ControlTab,
}


class Session:
    """One browser's page: its state, its header, and the tabs it has looked at."""

    def __init__(self, hub: Hub) -> None:
        LIVING.add(self)
        self._hub = hub
        self._document = pn.state.curdoc
        self._lake = hub.supervisor.lake
        self._state = ViewState()
        self._user = this_user()
        self._address = Address(pn.state.location, self._state)
        self._header = Header(hub, self._address.refused, self._user)
        self._header.show()
        self._built: dict[str, Tab] = {}
        self._places = {name: pn.Column(sizing_mode="stretch_width", margin=0) for name in TABS}
        self._tabs = pmui.Tabs(
            *((name.title(), place) for name, place in self._places.items()),
            active=TABS.index(self._state.tab),
            dynamic=False,
            sizing_mode="stretch_width",
        )
        self._build(self._state.tab)
        self._built[self._state.tab].show(hub.latest)
        self._tabs.param.watch(lambda event: self._state.param.update(tab=TABS[event.new]), "active")
        self._state.param.watch(self._turn, "tab")
        self.page = pmui.Page(
            title="Contrail",
            main=[self._header.view, self._header.notice, self._tabs],
            dark_theme=self._state.theme == "dark",
            theme_config=THEME,
            raw_css=[STYLES],
            busy_indicator=None,
        )
        self.page.param.watch(
            lambda event: self._state.param.update(theme="dark" if event.new else "light"), "dark_theme"
        )
        detach_from_busy(self.page)
        self._loaded = False
        pn.state.onload(self._begin)

    def _begin(self) -> None:
        self._loaded = True  # what is sent before the browser has set up the page is lost

    def tick(self) -> None:
        """Bring what is looked at up to date, unless the browser has not taken the last update yet.

        No coroutine: Bokeh runs one outside its document, where Panel takes what is held for changes that the browser made.
        """
        if not self._loaded or is_behind(self._document):
            return
        if self._hub.supervisor.lake != self._lake:  # nothing of another sky may stay under this one's name
            self._loaded = False
            self._address.open_anew()
            return
        with pn.io.hold(self._document):  # one message, in the order in which things were changed
            self._header.show()
            self._built[self._state.tab].show(self._hub.latest)

    def _turn(self, event: Any) -> None:
        self._build(event.new)
        self._tabs.active = TABS.index(event.new)

    def _build(self, name: str) -> None:
        if name not in self._built:
            self._built[name] = CLASSES[name](self._hub, self._state, self._user)
            self._places[name].append(self._built[name].view)


def page() -> Any:
    """Build the session's page and register what keeps it live."""
    # A session that expired before its browser connected is built again without its page: its style sheets must be ours too.
    pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
    begin_busy_cleanup()
    session = Session(the_hub())
    pn.state.curdoc.add_periodic_callback(session.tick, PERIOD_MS)
    return session.page


page().servable()
