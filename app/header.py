"""What is always visible: where the data comes from, how old it is, how the pipeline is, the credits left, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel_material_ui as pmui
from hub import Hub
from plain_text import plain
from rights import sign_out_link

from pipeline.status_words import LABELS, freshness_words, pipeline_words

COLOURS = {"fresh": "success", "late": "warning", "stale": "error", "none": "secondary"}


class Header:
    """One session's header, and the notice below it."""

    def __init__(self, hub: Hub, refused: Sequence[str], user: str) -> None:
        self._hub = hub
        self._source = pmui.Chip("", css_classes=["source"], margin=0, size="small")
        self._age = pmui.Chip("no data yet", css_classes=["age"], margin=0, size="small")
        self._pipeline = pmui.Chip("", css_classes=["pipeline"], margin=0, size="small")
        self._credits = pmui.Chip("", css_classes=["credits"], visible=False, margin=0, size="small")
        shown = [self._source, self._age, self._pipeline, self._credits]
        if link := sign_out_link():
            shown.append(pmui.Button(label=f"Sign out {user}", href=link, variant="text", size="small", margin=0))
        self.view = pmui.Paper(
            pmui.FlexBox(*shown, gap="8px", align_items="center", margin=(8, 16)),
            elevation=0,
            square=True,
            margin=0,
            sizing_mode="stretch_width",
            styles={"position": "sticky", "top": "0", "zIndex": "5"},
        )
        self.notice = pmui.Alert(
            plain(" ".join(refused)), severity="warning", closeable=True, visible=bool(refused), css_classes=["notice"]
        )

    def show(self) -> None:
        """Show what has changed."""
        settings = self._hub.settings
        colour = "warning" if settings.source == "simulator" else "info"
        update(self._source, label=LABELS[settings.source], color=colour)
        fresh = self._hub.freshness()
        update(self._age, label=freshness_words(fresh), color=COLOURS[fresh.level])
        status = self._hub.status
        words, colour = pipeline_words(status)
        if self._hub.switching:
            words, colour = self._hub.switching, "info"
        update(self._pipeline, label=words, color=colour)
        credits = credits_left(status)
        update(
            self._credits, visible=credits is not None, label=f"{credits:,} credits left" if credits is not None else ""
        )


def update(model: Any, **values: Any) -> None:
    """Set what differs: a model that is as it should be sends nothing."""
    changed = {name: value for name, value in values.items() if getattr(model, name) != value}
    if changed:
        model.param.update(**changed)


def credits_left(status: dict[str, Any] | None) -> int | None:
    """The feed's credits left today, where it has any."""
    if status is None:
        return None
    found = status["parts"].get("feed", {}).get("detail", {}).get("credits_left")
    return None if found is None else int(found)
