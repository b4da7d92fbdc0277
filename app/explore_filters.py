"""What all of Explore looks at: the time, the phases and the countries that one chooses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import panel_material_ui as pmui
from gallery import Range
from header import update
from hub import Hub
from view_state import LONGEST_LIST, RANGES, ViewState

from explore.figures import period
from explore.sample import reach
from pipeline.tables import PHASES

TIMES = {"Last 15 minutes": "15m", "Last hour": "1h", "Last 6 hours": "6h", "All there is": "all"}
WIDTH = {"flex": "1 1 140px", "minWidth": "0"}


def chosen(options: Mapping[str, Any], name: str) -> str:
    """The name that an address gives, or the first one when it is none of these."""
    return name if name in options else next(iter(options))


def chooser(state: ViewState, field: str, label: str, titles: Mapping[str, str]) -> Any:
    """A select of names by their `titles`, kept equal to a field of the state."""
    options = {title: name for name, title in titles.items()}
    value = chosen(titles, getattr(state, field))
    select = pmui.Select(label=label, options=options, value=value, sizing_mode="stretch_width", styles=WIDTH)
    select.param.watch(lambda event: state.param.update(**{field: event.new}), "value")
    state.param.watch(lambda event: update(select, value=chosen(titles, event.new)), field)
    return select


class Filters:
    """One session's controls, kept equal to its state; `parts` are to be laid out."""

    def __init__(self, hub: Hub, state: ViewState) -> None:
        self._hub, self._state = hub, state
        self._present: tuple[str, ...] = ()
        self._all_since: datetime | None = None
        self._make()
        self._watch()
        self._follow()
        self.parts = (self._time, self._phases, self._countries)

    @property
    def range(self) -> Range:
        """Which reports are asked for."""
        state, lake = self._state, self._hub.supervisor.lake.root
        return Range(lake, RANGES[state.range], state.since, state.until, tuple(state.countries), tuple(state.phases))

    def offer(self, countries: tuple[str, ...]) -> None:
        """Let these countries be chosen, and those that are."""
        self._present = countries
        update(self._countries, options=sorted({*countries, *self._state.countries}))

    def _make(self) -> None:
        self._time = pmui.Select(label="Time", options=TIMES, value="1h", sizing_mode="stretch_width", styles=WIDTH)
        self._phases = pmui.MultiChoice(
            label="Phases: all",
            options={phase.capitalize(): phase for phase in PHASES},
            searchable=True,  # else a chosen phase leaves the list, the focus with it, and Escape no longer closes it
            sizing_mode="stretch_width",
            styles=WIDTH,
        )
        self._countries = pmui.MultiChoice(
            label="Countries: all",
            options=sorted(self._state.countries),
            max_items=LONGEST_LIST,
            searchable=True,
            sizing_mode="stretch_width",
            styles=WIDTH,
        )

    def _watch(self) -> None:
        state = self._state
        self._phases.param.watch(lambda event: state.param.update(phases=list(event.new)), "value")
        self._countries.param.watch(lambda event: state.param.update(countries=list(event.new)), "value")
        self._time.param.watch(self._choose_time, "value")
        state.param.watch(lambda _: self._follow(), ["phases", "countries", "range", "since", "until"])

    def _follow(self) -> None:
        """Let the controls say what the state says."""
        state = self._state
        update(self._phases, value=list(state.phases), label="Phases" if state.phases else "Phases: all")
        self.offer(self._present)
        update(self._countries, value=list(state.countries), label="Countries" if state.countries else "Countries: all")
        chosen = state.range
        options = dict(TIMES)
        if state.since is not None or state.until is not None:
            is_all = state.until is None and state.since == self._all_since
            chosen = "all" if is_all else "chosen"
            options |= {} if is_all else {range_words(state.since, state.until): "chosen"}
        if self._time.options != options or self._time.value != chosen:
            self._time.param.update(options=options, value=chosen)

    async def _choose_time(self, event: Any) -> None:
        state = self._state
        if event.new in RANGES:
            state.param.update(range=event.new, since=None, until=None)
        elif event.new == "all" and (state.until is not None or state.since is None or state.since != self._all_since):
            found = await self._hub.ask(reach)
            if found is not None:
                self._all_since = found[0].replace(second=0, microsecond=0)
                state.param.update(since=self._all_since, until=None)


def range_words(since: datetime | None, until: datetime | None) -> str:
    """A range that was set elsewhere, or by the address."""
    if since is not None and until is not None:
        return period(since, until)
    return f"Since {since:%Y-%m-%d %H:%M} UTC" if since is not None else f"Until {until:%Y-%m-%d %H:%M} UTC"
