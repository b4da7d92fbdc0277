"""The History tab: any range of Gold, beside the day before, as a file, and the tables as they were at a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import panel as pn
import panel_material_ui as pmui
from alert_inquiry import Inquiry
from header import update
from history_asof import AsOfCard
from history_figures import PastFigures
from history_moment import MomentPicker, wanted
from history_words import csv, empty, file_name, sentence
from hub import Hub
from look import CARD, NUMBERS, QUIET
from plain_text import plain
from snapshot import Snapshot
from view_state import ViewState

from pipeline import past, serving
from pipeline.past import Range
from pipeline.serving import MINUTE

QUICK = {"Last hour": 1, "6 hours": 6, "24 hours": 24, "7 days": 24 * 7}


class HistoryTab:
    """One session's History tab."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._state = state
        self._newest: datetime | None = None
        self._asked: tuple[Any, ...] = ()
        self._found: Range | None = None
        self._inquiry = Inquiry(hub, self._answered)
        self._figures = PastFigures(state.theme)
        self._asof = AsOfCard(hub, state)
        self._since, self._until = MomentPicker("From"), MomentPicker("Until")
        self._compare = pmui.Switch(label="Compare with the day before", value=state.compare, margin=0)
        self._compare.link(state, value="compare", bidirectional=True)
        self._told = pmui.Typography(
            "Waiting for the first observations.", variant="body2", sx=QUIET | NUMBERS, margin=0
        )
        self._download = pmui.FileDownload(
            callback=self._csv, filename="contrail-history.csv", label="Download as CSV", auto=True, embed=False,
            variant="outlined", size="small", disabled=True, margin=0,
        )  # fmt: skip
        self._compare.param.watch(lambda _: self._ask(), "value")
        state.param.watch(lambda *_: self._ask(), ["since", "until"])
        state.param.watch(lambda event: self._figures.paint(event.new), "theme")
        self.view = self._laid_out()

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new: a range that follows the newest minute goes on with it."""
        if snapshot.newest is None:
            update(self._told, object=plain(snapshot.trouble) or "No observation has come yet.")
            return
        first, self._newest = self._newest is None, snapshot.newest
        if first:
            self._asof.start(snapshot.newest)
        self._ask()

    def _ask(self) -> None:
        if self._newest is None:
            return
        found = wanted(self._state, self._newest)
        question = (found, self._compare.value)
        if question == self._asked:
            return
        self._asked = question
        since, until = (self._state.since, self._state.until) if isinstance(found, str) else found
        for picker, moment in ((self._since, since), (self._until, until)):
            if moment is not None:
                picker.put(moment)
        if isinstance(found, str):
            self._nothing(found)
            return
        self._inquiry.ask(past.looked_up, *found, self._compare.value)

    def _answered(self, found: Range) -> None:
        if ((found.since, found.until), found.before is not None) != self._asked:
            return
        if not found.steps["sampled"].notna().any():
            self._nothing(empty(found))
            return
        step = past.step_minutes(found.since, found.until)
        self._figures.show(found.steps, found.before, step, keep_zoom=self._state.until is None)
        self._found = found
        update(self._told, object=sentence(found))
        update(self._charts, visible=True)
        update(self._download, disabled=False, filename=file_name(found))

    def _nothing(self, sentence: str) -> None:
        self._found = None
        update(self._told, object=sentence)
        update(self._charts, visible=False)
        update(self._download, disabled=True)

    def _quick(self, hours: int) -> None:
        """The last hour follows the newest minute; longer ranges stay as they are chosen."""
        if self._newest is None:
            return
        until = serving.last_full_minute(self._newest) + MINUTE
        chosen = (None, None) if hours == 1 else (until - timedelta(hours=hours), until)
        self._state.param.update(since=chosen[0], until=chosen[1])

    def _pick(self, *_: Any) -> None:
        since, until = self._since.value, self._until.value
        if since is None or until is None:
            self._nothing("Choose a date and a time for both ends of the range.")
            self._asked = ()
            return
        self._state.param.update(since=since, until=until)

    def _take_zoom(self, *_: Any) -> None:
        """Read what is zoomed to as a range of its own, in finer steps where it is short enough."""
        if (zoomed := self._figures.zoomed) is None:
            return
        since, until = (datetime.fromtimestamp(end / 1000, UTC).replace(second=0, microsecond=0) for end in zoomed)
        self._state.param.update(since=since, until=max(until, since + MINUTE))

    def _csv(self) -> StringIO:
        return StringIO("" if self._found is None else csv(self._found))

    def _laid_out(self) -> Any:
        quick = [pmui.Button(label=name, size="small", variant="outlined", margin=0) for name in QUICK]
        for button, hours in zip(quick, QUICK.values(), strict=True):
            button.on_click(lambda _, hours=hours: self._quick(hours))
        go = pmui.Button(label="Show range", size="small", margin=0, on_click=self._pick)
        zoom = pmui.Button(
            label="Read the zoomed part", size="small", variant="outlined", margin=0, on_click=self._take_zoom
        )
        charts = [
            pn.pane.Bokeh(plot, sizing_mode="stretch_width") for plot in (self._figures.phases, self._figures.rate)
        ]
        self._charts = pmui.Column(*charts, sizing_mode="stretch_width", margin=0, visible=False)
        rows = [
            (*quick,),
            (*self._since.parts, *self._until.parts, go),
            (self._compare, zoom, self._download),
        ]
        return pmui.Column(
            pmui.Paper(
                pmui.Typography("Flights per phase and anomaly rate (UTC)", variant="h6", margin=0),
                *(
                    pmui.FlexBox(*row, gap="12px", align_items="center", sizing_mode="stretch_width", margin=(6, 0))
                    for row in rows
                ),
                self._inquiry.view,
                self._told,
                self._charts,
                elevation=0,
                margin=(0, 0, 16, 0),
                sx=CARD,
                sizing_mode="stretch_width",
            ),
            self._asof.view,
            sizing_mode="stretch_width",
            margin=(12, 16),
        )
