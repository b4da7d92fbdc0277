"""What keeps a closed session from staying alive."""

from __future__ import annotations

from typing import Any

import panel as pn
from panel.util import edit_readonly


def detach_from_busy(page: Any) -> None:
    """Stop a page from watching `pn.state.busy`: the process-wide watcher would never let go of it."""
    with edit_readonly(page):
        page.busy = False
    watchers = pn.state.param.watchers.get("busy", {}).get("value", [])
    for watcher in [one for one in watchers if getattr(getattr(one.fn, "__self__", None), "self", None) is page]:
        pn.state.param.unwatch(watcher)
