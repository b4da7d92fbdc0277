"""The Control tab: the flow, every part of it with its buttons, the choice of feed, and what happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import panel as pn
import panel_material_ui as pmui
from feed_card import FeedCard
from flow_drawing import drawing
from header import update
from hub import Hub
from log_card import LogCard
from look import CARD, QUIET
from part_card import PartCard
from plain_text import plain
from reset_dialog import ResetDialog
from sessions import LIVING
from snapshot import Snapshot
from view_state import ViewState

from pipeline import resets
from pipeline.errors import ContrailError
from pipeline.serving import Reader
from pipeline.settings import Settings
from pipeline.status_words import housekeeping_words
from pipeline.supervisor import PARTS

DRAW_SECONDS, LOG_SECONDS = 1.0, 3.0
TREND_SECONDS = 10.0  # a pixel of a trend is several seconds, and a browser draws all of them anew each time


class ControlTab:
    """One session's view of the supervisor's status."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._user = hub, user
        self._may_act = hub.rights.may_act(user)
        self._drawn = self._logged = self._trended = 0.0
        self._undoable: frozenset[str] = frozenset()
        self._asked: set[asyncio.Future[None]] = set()
        self._failures = hub.failures[0]
        self._doing = pmui.Typography("", variant="body1", margin=0, css_classes=["doing"])
        self._told = pmui.Alert("", severity="warning", visible=False, closeable=True, margin=0, css_classes=["told"])
        self._flow = pn.pane.HTML(drawing(None), sizing_mode="stretch_width", margin=0)
        self._cards = {name: PartCard(name, self._press, may_act=self._may_act) for name in PARTS}
        self._reset = ResetDialog(lambda stream, typed: hub.reset(user, stream, typed))
        self._feed = pmui.Column(self._feed_card().view, margin=0, styles={"flex": "1 1 100%", "minWidth": "0"})
        self._log = LogCard(hub)
        self.view = pmui.FlexBox(
            self._flow_card(), self._told, *(card.view for card in self._cards.values()), self._feed, self._log.view,
            self._reset.view, gap="16px", sizing_mode="stretch_width", margin=(16, 16),
        )  # fmt: skip

    def show(self, snapshot: Snapshot) -> None:
        """Show what has changed; a model that did not change is not touched."""
        status, now = self._hub.status, time.monotonic()
        update(self._doing, object=plain(doing(self._hub, status)))
        count, failure = self._hub.failures
        if count != self._failures:
            self._failures = count
            self._tell(failure)
        if status is None:
            return
        for name, card in self._cards.items():
            card.show(status["parts"][name], undoable=name in self._undoable)
        if now - self._drawn > DRAW_SECONDS:
            self._drawn = now
            update(self._flow, object=drawing(status))
        if now - self._trended > TREND_SECONDS:
            self._trended = now
            samples = list(self._hub.samples)
            for card in self._cards.values():
                card.show_trend(samples)
        if now - self._logged > LOG_SECONDS:
            self._logged = now
            update(self._pages, object=f"Pages open: {len(LIVING)}")
            update(self._house, object=plain(housekept(status)))
            self._log.refresh()
            self._ask(self._look_for_resets())

    def _ask(self, question: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(question)
        self._asked.add(task)  # or it may be collected before it is done
        task.add_done_callback(self._asked.discard)

    def _press(self, verb: str, name: str) -> None:
        if verb == "reset":
            self._ask(self._ask_before_reset(name))
        elif verb == "undo":
            self._tell(self._hub.undo(self._user, name))
        else:
            self._tell(self._hub.act(self._user, verb, name))
        self._logged = 0.0

    async def _ask_before_reset(self, name: str) -> None:
        try:
            self._reset.ask(await self._hub.ask(planned, name))
        except ContrailError as error:
            self._tell(str(error))

    async def _look_for_resets(self) -> None:
        self._undoable = await self._hub.ask(undoable)

    def _feed_card(self) -> FeedCard:
        return FeedCard(self._hub.started, self._hub.settings, self._switch, may_act=self._may_act)

    def _switch(self, settings: Settings) -> None:
        self._tell(self._hub.switch(self._user, settings))

    def _tell(self, words: str) -> None:
        update(self._told, object=plain(words), visible=bool(words))

    def _flow_card(self) -> Any:
        verbs = {
            "start": ("Start all", "contained"),
            "stop": ("Stop all", "outlined"),
            "restart": ("Restart all", "outlined"),
        }
        buttons = [
            pmui.Button(
                label=label, variant=variant, size="small", margin=0, disabled=not self._may_act,
                on_click=lambda event, verb=verb: self._tell(self._hub.act(self._user, verb)),
            )
            for verb, (label, variant) in verbs.items()
        ]  # fmt: skip
        hint = "" if self._may_act else f"{self._user} may look; operators act."
        self._pages = pmui.Typography("", variant="body2", sx=QUIET, margin=0, css_classes=["pages"])
        self._house = pmui.Typography("", variant="body2", sx=QUIET, margin=0, css_classes=["house"])
        return pmui.Paper(
            pmui.FlexBox(self._doing, *buttons, gap="12px", align_items="center", margin=0, sizing_mode="stretch_width"),
            pmui.Typography(plain(hint), variant="body2", sx=QUIET, margin=0, visible=bool(hint)),
            self._flow,
            self._house,
            self._pages,
            elevation=0, margin=0, sx=CARD, styles={"flex": "1 1 100%", "minWidth": "0"},
        )  # fmt: skip


def doing(hub: Hub, status: dict[str, Any] | None) -> str:
    """What the pipeline is doing, or why it cannot."""
    if hub.switching or hub.refusal:
        return hub.switching or hub.refusal
    if status is None:
        return "No pipeline has run on this lake yet."
    if status["trouble"]:
        return f"{status['trouble']['cause']} {status['trouble']['cure']}"
    return f"{status['source'].title()} sky: {status['doing']}"


def housekept(status: dict[str, Any]) -> str:
    """When housekeeping was done last, and what it did."""
    report = status.get("maintenance")
    return housekeeping_words(report, time.time()) if report else "Housekeeping: not done yet."


def planned(reader: Reader, stream: str) -> resets.Plan:
    """What a reset of a stream would do."""
    return resets.plan(reader.lake, stream)


def undoable(reader: Reader) -> frozenset[str]:
    """The streams whose last reset can be taken back."""
    return frozenset(name for name in resets.TABLES if resets.last(reader.lake, name))
