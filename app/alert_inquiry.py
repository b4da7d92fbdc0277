"""One question at a time of one view: the newest wins, what waits shows, and what fails becomes a sentence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
from header import update
from hub import Hub
from look import QUIET
from plain_text import plain
from sessions import is_closed

from pipeline.errors import ContrailError

log = logging.getLogger("contrail.app")


class Inquiry:
    """Asks the tables off the event loop and hands the answer to `answered` in a turn of the session's own.

    While a question is under way only the newest of those that follow is kept, and an answer that was overtaken is dropped.
    `view` shows that something is being read, or why it could not be.
    """

    def __init__(self, hub: Hub, answered: Callable[[Any], None]) -> None:
        self._hub, self._answered = hub, answered
        self._document = pn.state.curdoc
        self._next: Callable[[], Awaitable[Any]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._bar = pmui.LinearProgress(visible=False, sizing_mode="stretch_width", margin=0)
        self._reading = pmui.Typography("Reading…", variant="body2", sx=QUIET, visible=False, margin=0)
        self._trouble = pmui.Alert("", severity="error", visible=False, sizing_mode="stretch_width", margin=0)
        self.view = pmui.Column(self._bar, self._reading, self._trouble, sizing_mode="stretch_width", margin=0)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._task is not None and not self._task.done()

    def ask(self, question: Callable[..., Any], *given: Any) -> None:
        """Ask `question(reader, …)`; call from the event loop."""
        self.fetch(partial(self._hub.ask, question, *given))

    def fetch(self, asked: Callable[[], Awaitable[Any]]) -> None:
        """Await what `asked()` returns, where others may share the answer; call from the event loop."""
        self._next = asked
        self._show("", waiting=True)
        if not self.busy:
            self._task = asyncio.ensure_future(self._work())

    async def _work(self) -> None:
        while self._next is not None:
            asked, self._next = self._next, None
            answer, trouble = None, ""
            try:
                answer = await asked()
            except ContrailError as error:
                trouble = str(error)
            except Exception as error:
                log.exception("A question to the tables failed")
                trouble = f"The tables could not be read: {str(error)[:300]}"
            if self._next is None and not is_closed(self._document):
                self._document.add_next_tick_callback(partial(self._hand_over, answer, trouble))

    def _hand_over(self, answer: Any, trouble: str) -> None:
        """Show an answer; what is sent before the browser has set up the page would be lost, so it waits for that."""
        if not pn.state.loaded:
            later = partial(self._hand_over, answer, trouble)
            pn.state.onload(partial(self._document.add_next_tick_callback, later))
            return
        self._show(trouble, waiting=self.busy)
        if not trouble:
            self._answered(answer)

    def _show(self, trouble: str, *, waiting: bool) -> None:
        update(self._bar, visible=waiting)
        update(self._reading, visible=waiting)
        update(self._trouble, visible=bool(trouble), object=plain(trouble))
