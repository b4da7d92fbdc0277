"""What keeps a closed session from staying alive, and a slow one from being flooded."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.document import Document
from bokeh.io.doc import set_curdoc
from bokeh.server.callbacks import NextTickCallback
from panel.io.document import _WRITE_BLOCK
from panel.util import edit_readonly

LIVING: weakref.WeakSet[Any] = weakref.WeakSet()
"""Every session's page that is still held by anything: closed ones have to leave."""

TIDY_SECONDS = 3.0
_tidying: asyncio.TimerHandle | None = None


def tidy_soon() -> None:
    """Free closed pages once the last of several has gone: they are rings of references, which Python may keep for minutes.

    Panel collects too, but at the first of several alone.
    """
    global _tidying
    if _tidying is not None:
        _tidying.cancel()
    _tidying = asyncio.get_running_loop().call_later(TIDY_SECONDS, tidy)


def tidy() -> None:
    """Free closed pages now.

    Bokeh's default document is nobody's here, but Panel leaves the page in it whose callback failed before another was opened.
    """
    set_curdoc(Document())
    gc.collect()


def is_closed(document: Any) -> bool:
    """Whether a page's session has ended: its document takes no callback any more, and to ask for one spoils Bokeh's list of
    current documents for the pages that follow."""
    return document.session_context is None


def settle() -> None:
    """Take the libraries out of Python's search for garbage, once they are there: each look for closed pages is short then."""
    gc.collect()
    gc.freeze()


def begin_busy_cleanup() -> None:
    """Let Panel's process-wide task that forgets old busy events begin outside any session.

    The first session with an event would begin it otherwise, and the task's context would hold that session's page for ever.
    """
    contextvars.Context().run(pn.state._schedule_busy_cleanup)


def detach_from_busy(page: Any) -> None:
    """Stop a page from watching `pn.state.busy`: the process-wide watcher would never let go of it."""
    with edit_readonly(page):
        page.busy = False
    watchers = pn.state.param.watchers.get("busy", {}).get("value", [])
    for watcher in [one for one in watchers if getattr(getattr(one.fn, "__self__", None), "self", None) is page]:
        pn.state.param.unwatch(watcher)


def let_texts_go_one_way() -> None:
    """Take what a text says from the server alone. Panel lets browsers change it too, as they never do, and on a busy machine it
    takes one of the server's own changes for such a one: the text came back in its parameter, with its markup shown."""
    pmui.Typography._linked_properties = ()


def is_behind(document: Any) -> bool:
    """Whether an earlier update is still on its way to the browser.

    A new one would queue up without bound on the session's socket, or overtake one that waits in Panel's own queue or for the
    document's lock, as a tab does that is being added: what it says of a model would reach the browser before the model itself.
    """
    waiting = any(isinstance(callback, NextTickCallback) for callback in document.session_callbacks)
    if waiting or document in _WRITE_BLOCK:
        return True
    session = getattr(document.session_context, "session", None)
    for connection in getattr(session, "_subscribed_connections", ()):
        socket = getattr(connection, "_socket", None)
        stream = getattr(getattr(socket, "ws_connection", None), "stream", None)
        if stream is not None and stream.writing():
            return True
    return False
