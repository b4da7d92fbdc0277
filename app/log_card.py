"""What happened: the audit log of actions, and the tail of the logs."""

from __future__ import annotations

import asyncio
from typing import Any

import panel_material_ui as pmui
from header import update
from hub import Hub
from look import CARD
from plain_text import plain

from pipeline import logs, ops
from pipeline.serving import Reader
from pipeline.settings import Settings

LINES, ACTIONS = 60, 30
MONO = {
    "fontFamily": "'Roboto Mono', Menlo, monospace",
    "fontSize": "12px",
    "whiteSpace": "pre-wrap",
    "overflowWrap": "anywhere",
}


class LogCard:
    """One session's view of the logs; reads them off the event loop."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._asked: asyncio.Task[Any] | None = None
        self._actions = pmui.Typography(
            "No action was taken yet.", variant="body2", sx=MONO, margin=0, css_classes=["actions"]
        )
        self._choice = pmui.RadioButtonGroup(options=list(logs.LOGS), value="feed", size="small", margin=0)
        self._choice.param.watch(lambda event: self.refresh(), "value")
        self._text = pmui.Typography("", variant="body2", sx=MONO, margin=0, css_classes=["log"])
        self.view = pmui.FlexBox(
            self._card("Actions", self._actions),
            self._card("Log", self._choice, self._text),
            gap="16px", margin=0, sizing_mode="stretch_width", styles={"flex": "1 1 100%", "minWidth": "0"},
        )  # fmt: skip

    def refresh(self) -> None:
        """Read again, unless that is being done."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        actions, text = await self._hub.ask(read, self._hub.settings, self._choice.value)
        update(self._actions, object=plain(actions))
        update(self._text, object=plain(text))

    def _card(self, title: str, *objects: Any) -> Any:
        scroll = pmui.Column(
            *objects, margin=0, sizing_mode="stretch_width", styles={"maxHeight": "340px", "overflow": "auto"}
        )
        return pmui.Paper(
            pmui.Typography(title, variant="h6", margin=0), scroll,
            elevation=0, margin=0, sx=CARD, styles={"flex": "1 1 420px", "minWidth": "0"},
        )  # fmt: skip


def read(reader: Reader, settings: Settings, log: str) -> tuple[str, str]:
    """The latest actions, and a log's tail, as text."""
    taken = ops.actions(reader.lake, ACTIONS)
    lines = [f"{one['at'][:19].replace('T', ' ')} UTC  {one['user']}: {one['verb']} {', '.join(one['names']) or 'all'} — {one['outcome']}" for one in taken]  # fmt: skip
    return "\n".join(lines) or "No action was taken yet.", logs.tail(settings, log, LINES)
