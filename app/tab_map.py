"""The Map tab: every aircraft of the last minutes, emergencies first, and one of them in full."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from aircraft_card import AircraftCard, broken
from coastline import cut, mercator
from header import update
from hub import Hub
from look import CARD, NUMBERS, QUIET
from map_figure import SkyMap
from map_filters import MapFilters
from packed_sky import EMERGENCIES, Filters, PackedSky, named, packed_once, passing
from snapshot import Snapshot
from view_state import ViewState

from pipeline.palette import PHASE_COLOURS
from pipeline.status_words import age_words
from pipeline.tables import PHASES

DRAW_SECONDS, LIST_SECONDS = 1.0, 5.0
LISTED = 50
NO_AVATAR = {".MuiListItemAvatar-root": {"display": "none"}}
LEGEND = """
<style>
ul { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; margin: 0; padding: 0; font-size: 14px; }
li { display: flex; align-items: center; gap: 6px; font-variant-numeric: tabular-nums; }
i { width: 12px; height: 12px; border-radius: 50%; border: 1px solid currentColor; }
</style>
"""


class MapTab:
    """One session's Map tab."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state = hub, state
        self._frame: pd.DataFrame | None = None
        self._sky = packed_once(pd.DataFrame())
        self._framed, self._seen = False, ""
        self._drawn_at = self._listed_at = 0.0
        self._filters = MapFilters(state)
        self._map = SkyMap(state.theme, self._open_on_map)
        self._card = AircraftCard(hub, state, self._draw_track)
        self._count = pmui.Typography("", variant="subtitle1", sx=NUMBERS)
        self._legend = pn.pane.HTML("", margin=(0, 10))
        self._below = pmui.Typography("Waiting for the first observations.", variant="body2", sx=QUIET | NUMBERS)
        self._alarm = pmui.MenuList(items=[], highlight=False, on_click=self._open_item, sx=NO_AVATAR)
        self._no_alarm = pmui.Typography("No emergency squawk in the air.", variant="body2", sx=QUIET)
        self._list = pmui.MenuList(items=[], highlight=False, on_click=self._open_item, sx=NO_AVATAR)
        self._list_words = pmui.Typography("", variant="body2", sx=QUIET | NUMBERS)
        self._wanted = pmui.TextInput(
            label="Open an aircraft: callsign or icao24, then Enter", max_length=8, sizing_mode="stretch_width"
        )
        self._wanted.param.watch(lambda _: self._open_named(self._wanted.value_input or ""), "enter_pressed")
        self._drawn_for: tuple[Filters, str] | None = None
        self.view = self._laid_out()

    def show(self, snapshot: Snapshot) -> None:
        """Draw the sky when there is another one, at most once a second, and when the state asks for something else.

        Plots are touched here alone: a click's callback may run while the document is not the session's to change.
        """
        now, wanted = time.monotonic(), (self._filters.of_now(), self._state.theme)
        changed = snapshot.sky is not self._frame
        due = changed and now - self._drawn_at >= DRAW_SECONDS
        if due:
            self._frame, self._sky, self._drawn_at = snapshot.sky, packed_once(snapshot.sky), now
            self._filters.offer(self._sky.countries)
        if due or wanted != self._drawn_for:
            asked, self._drawn_for = wanted != self._drawn_for, wanted
            self._map.wear(self._state.theme)
            self._draw(listed=asked or now - self._listed_at >= LIST_SECONDS)
        self._card.show(snapshot.newest, changed=changed)
        self._show_age(snapshot)

    def _draw(self, *, listed: bool) -> None:
        """Send the aircraft that pass; emergencies are drawn and listed whatever the filters."""
        sky = self._sky
        passed = passing(sky, self._filters.of_now())
        plain = passed & sky.has_position & ~sky.is_emergency
        self._map.show(sky.taken(plain), sky.taken(sky.is_emergency & sky.has_position), sky.countries)
        if not self._framed and sky.has_position.any():
            self._framed = True
            x, y = sky.columns["x"][sky.has_position], sky.columns["y"][sky.has_position]
            self._map.frame(x, y, look=not self._state.aircraft)
        self._tell(passed)
        if listed:
            self._listed_at = time.monotonic()
            self._list_aircraft(passed)

    def _tell(self, passed: npt.NDArray[np.bool_]) -> None:
        sky, count = self._sky, int(passed.sum())
        lost = int((passed & ~sky.has_position).sum())
        told = f"{count:,} of {len(sky):,} aircraft"
        if lost:
            told += f"; {lost:,} of {count:,} have no position and are not on the map"
        update(self._count, object=told)
        counts = np.bincount(sky.columns["phase"][passed], minlength=len(PHASES))
        update(self._legend, object=legend(counts))
        alarms = [item(sky, place) for place in np.flatnonzero(sky.is_emergency).tolist()]
        update(self._alarm, items=alarms, visible=bool(alarms))
        update(self._no_alarm, visible=not alarms)

    def _list_aircraft(self, passed: npt.NDArray[np.bool_]) -> None:
        """The first ones by callsign, those without one last."""
        sky, places = self._sky, np.flatnonzero(passed)
        callsigns = sky.callsigns[places]
        places = places[np.lexsort((callsigns, callsigns == b""))][:LISTED]
        update(self._list, items=[item(sky, place) for place in places.tolist()])
        update(self._list_words, object=f"The first {len(places)} of {int(passed.sum()):,} by callsign.")

    def _show_age(self, snapshot: Snapshot) -> None:
        if snapshot.trouble:
            update(self._below, object=escape(snapshot.trouble))
        elif self._sky.newest is not None:
            newest = self._sky.newest.astimezone(UTC)
            age = age_words(max(0.0, (datetime.now(UTC) - newest).total_seconds()))
            told = f"Newest report shown: {newest:%Y-%m-%d %H:%M:%S} UTC, {age} old. Aircraft heard in the five minutes before it."
            update(self._below, object=told)

    def _open(self, icao24: str) -> None:
        self._state.aircraft = icao24

    def _open_on_map(self, icao24: str) -> None:
        self._seen = icao24  # who points at an aircraft has it in view already
        self._open(icao24)

    def _open_item(self, clicked: Any) -> None:
        self._open(clicked["value"])

    def _open_named(self, text: str) -> None:
        found = named(self._sky, text)
        if len(found) == 1:
            self._open(found[0])
        told = "" if len(found) == 1 or not text.strip() else f"{len(found) or 'No'} aircraft have that"
        update(self._wanted, error_state=bool(told), helper_text=told)

    def _draw_track(self, rows: pd.DataFrame) -> None:
        """The way of the aircraft that is open; the view goes there once, unless it was opened on the map."""
        if rows.empty:
            self._map.show_track(np.zeros(0, np.float32), np.zeros(0, np.float32))
            self._seen = self._seen if self._state.aircraft else ""
            return
        _, longitude, latitude = broken(rows.dropna(subset=["longitude", "latitude"]), "longitude", "latitude")
        x, y = mercator(*cut(longitude, latitude))
        self._map.show_track(x, y)
        if self._seen != self._state.aircraft and len(x):
            self._seen = self._state.aircraft
            self._map.centre(float(x[-1]), float(y[-1]))

    def _laid_out(self) -> Any:
        chart = _card(
            pmui.FlexBox(self._count, self._legend, gap="4px 24px", align_items="center", sizing_mode="stretch_width"),
            pn.pane.Bokeh(self._map.figure, sizing_mode="stretch_width", margin=0),
            self._below,
        )
        alarms = _card(pmui.Typography("Emergencies", variant="subtitle1"), self._no_alarm, self._alarm)
        listed = _card(
            self._wanted,
            self._list_words,
            pmui.Column(self._list, max_height=300, scroll="y", sizing_mode="stretch_width", margin=0),
        )
        side = pmui.Column(alarms, self._card.view, listed, margin=0, sizing_mode="stretch_width", sx={"gap": "16px"})
        return pmui.Column(
            self._filters.view,
            pmui.FlexBox(
                _part(chart, "3 1 560px"),
                _part(side, "1 1 320px"),
                gap="16px",
                align_items="flex-start",
                sizing_mode="stretch_width",
            ),
            sizing_mode="stretch_width",
            margin=(12, 16),
            sx={"gap": "16px"},
        )


def item(sky: PackedSky, place: int) -> dict[str, str]:
    """One aircraft of a list; an emergency says what it means."""
    address, callsign = sky.addresses[place].decode(), sky.callsigns[place].decode()
    phase = int(sky.columns["phase"][place])
    where = sky.countries[sky.columns["country"][place]] or "–"
    told = f"{where}, {PHASES[phase].lower() if phase < len(PHASES) else '–'}"
    if not sky.has_position[place]:
        told += ", no position"
    label = f"{callsign or 'no callsign'} ({address})"
    if sky.is_emergency[place]:
        code = sky.squawks[place].decode()
        label, told = f"{code} {EMERGENCIES[code]}", f"{label}, {told}"
    return {"label": label, "secondary": told, "value": address}


def legend(counts: npt.NDArray[np.int64]) -> str:
    """Colour, name and number of aircraft of each phase."""
    entries = (
        f"<li><i style='background:{colour}'></i>{phase.capitalize()} {counts[place]:,}</li>"
        for place, (phase, colour) in enumerate(PHASE_COLOURS.items())
    )
    return f"{LEGEND}<ul>{''.join(entries)}</ul>"


def _card(*parts: Any) -> Any:
    return pmui.Paper(*parts, elevation=0, margin=0, sizing_mode="stretch_width", sx=CARD)


def _part(content: Any, flex: str) -> Any:
    return pmui.Column(content, margin=0, styles={"flex": flex, "minWidth": "0"})
