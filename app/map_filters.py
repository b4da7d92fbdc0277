"""The map's filters: each control writes to the view's state, and follows it when something else changes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import panel_material_ui as pmui
from header import update
from look import CARD
from packed_sky import Filters
from view_state import HIGHEST_M, LONGEST_LIST, LOWEST_M, ViewState

from pipeline.tables import PHASES

EVERYTHING = (LOWEST_M, HIGHEST_M)
FILTERS = ("phases", "countries", "altitudes", "find")
FINDABLE = re.compile(r"[A-Za-z0-9 ]{0,8}")


class MapFilters:
    """Phase, country, altitude and a text to find."""

    def __init__(self, state: ViewState) -> None:
        self._state = state
        self._countries: set[str] = set(state.countries)
        self._phase = pmui.MultiChoice(
            label="Phases (none chosen: all)",
            options={phase.capitalize(): phase for phase in PHASES},
            value=list(state.phases),
            sizing_mode="stretch_width",
        )
        self._country = pmui.MultiChoice(
            label="Countries of registration",
            options=sorted(self._countries),
            value=list(state.countries),
            max_items=LONGEST_LIST,
            searchable=True,
            sizing_mode="stretch_width",
        )
        self._altitude = pmui.IntRangeSlider(
            label="Altitude in metres",
            start=LOWEST_M,
            end=HIGHEST_M,
            step=100,
            value=state.altitudes,
            sizing_mode="stretch_width",
        )
        self._find = pmui.TextInput(
            label="Callsign or icao24 contains", value=state.find, max_length=8, sizing_mode="stretch_width"
        )
        self._all = pmui.Button(label="Clear filters", variant="outlined", on_click=lambda _: self._clear())
        self._all.disabled = self.of_now() == Filters()
        self._watch()
        self.view = self._laid_out()

    def of_now(self) -> Filters:
        """What the state asks for."""
        state = self._state
        band = None if tuple(state.altitudes) == EVERYTHING else state.altitudes
        return Filters(tuple(state.phases), tuple(state.countries), band, state.find)

    def offer(self, countries: Iterable[str]) -> None:
        """Offer the countries that were seen so far: a choice does not vanish while a person reads the list."""
        seen = self._countries | {country for country in countries if country}
        if seen != self._countries:
            self._countries = seen
            self._country.options = sorted(seen)

    def _watch(self) -> None:
        state = self._state
        self._phase.param.watch(lambda event: state.param.update(phases=list(event.new)), "value")
        self._country.param.watch(lambda event: state.param.update(countries=list(event.new)), "value")
        self._altitude.param.watch(lambda event: state.param.update(altitudes=tuple(event.new)), "value_throttled")
        self._find.param.watch(lambda event: self._look_for(event.new), "value_input")
        state.param.watch(lambda *_: self._follow(), list(FILTERS))

    def _look_for(self, text: str) -> None:
        allowed = bool(FINDABLE.fullmatch(text))
        update(self._find, error_state=not allowed, helper_text="" if allowed else "Letters, digits and blanks only")
        if allowed:
            self._state.find = text

    def _follow(self) -> None:
        state = self._state
        self.offer(state.countries)
        update(self._phase, value=list(state.phases))
        update(self._country, value=list(state.countries))
        update(self._altitude, value=tuple(state.altitudes))
        if self._find.value_input != state.find:
            update(self._find, value=state.find, value_input=state.find)
        update(self._all, disabled=self.of_now() == Filters())

    def _clear(self) -> None:
        self._state.param.update(phases=[], countries=[], altitudes=EVERYTHING, find="")

    def _laid_out(self) -> Any:
        cells = (
            _cell(self._phase, 240),
            _cell(self._country, 240),
            _cell(self._altitude, 240),
            _cell(self._find, 200),
            self._all,
        )
        return pmui.Paper(
            pmui.FlexBox(*cells, gap="8px 16px", align_items="center", sizing_mode="stretch_width"),
            elevation=0,
            margin=0,
            sizing_mode="stretch_width",
            sx=CARD,
        )


def _cell(control: Any, least: int) -> Any:
    return pmui.Column(control, margin=0, styles={"flex": f"1 1 {least}px", "minWidth": "0"})
