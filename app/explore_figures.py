"""Explore's figures: one at a time, drawn of a sample of Silver; larger, and as a file."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from typing import Any

import panel as pn
import panel_material_ui as pmui
from explore_filters import Filters, chooser, chosen
from gallery import GALLERY, Picture, Wish, is_current
from header import update
from hub import Hub
from look import CARD, NUMBERS, QUIET
from plain_text import plain
from snapshot import Snapshot
from view_state import ViewState

from explore.figures import FIGURES
from pipeline.errors import ContrailError

SETTLING_LOOKS = 2
RETRY_SECONDS = 10.0
SAYS_NOTHING = "Waiting for the first observations."
BUSY = "Reading a sample and drawing the figure."

log = logging.getLogger("contrail.app")


class FigureCard:
    """One session's figure; `pick` is the control that chooses it."""

    def __init__(self, hub: Hub, state: ViewState, filters: Filters) -> None:
        self._hub, self._state, self._filters = hub, state, filters
        self._task: asyncio.Future[Picture] | None = None
        self._asked: Wish | None = None
        self._picture: Picture | None = None
        self._anew, self._failed_at = False, float("-inf")
        self._settled_looks, self._busy_looks = 0, 0
        self.pick = chooser(state, "figure", "Figure", {name: kind.title for name, kind in FIGURES.items()})
        self._make_picture()
        self.view = self._laid_out()

    def show(self, snapshot: Snapshot) -> None:
        """Show what was drawn, and ask for what is to be seen now."""
        self._settled_looks += self._screen.current is not None
        if self._task is not None and self._task.done():
            self._receive(self._task)
            self._task = None
        if snapshot.newest is None:
            update(self._told, object=plain(snapshot.trouble) or SAYS_NOTHING)
        elif self._task is None and self._is_due(snapshot):
            self._asked, anew, self._anew = self._wish(), self._anew, False
            self._task = asyncio.ensure_future(GALLERY.picture(self._hub, self._asked, anew=anew))
        self._busy_looks = 0 if self._task is None else self._busy_looks + 1
        self._show_busy(self._busy_looks > 1)

    def _is_due(self, snapshot: Snapshot) -> bool:
        """Whether another picture is to be asked for.

        Not before the browser has told its width, and half a second more: what is sent while it sets up the page is lost.
        """
        if self._settled_looks < SETTLING_LOOKS:
            return False
        wish = self._wish()
        if self._anew or wish != self._asked:
            return True
        if time.monotonic() - self._failed_at < RETRY_SECONDS:
            return False
        return self._picture is None or not is_current(self._picture, snapshot.versions)

    @property
    def _figure(self) -> str:
        return chosen(FIGURES, self._state.figure)

    def _wish(self) -> Wish:
        narrow = self._screen.current is self._small
        return Wish(self._figure, self._state.theme, narrow, self._filters.range)

    def _show_busy(self, busy: bool) -> None:
        """Say that a figure is being drawn; the one before is pale meanwhile."""
        update(self._progress, styles={"visibility": "visible" if busy else "hidden"})
        update(self._image, styles={"opacity": "0.4" if busy else "1"})
        if self._picture is not None or busy:
            update(self._told, object=BUSY if busy or self._picture is None else plain(told(self._picture)))

    def _receive(self, task: asyncio.Future[Picture]) -> None:
        try:
            self._show_picture(task.result())
            self._failed_at = float("-inf")
        except ContrailError as error:
            self._fail(str(error))
        except Exception as error:
            log.exception("A figure could not be drawn")
            self._fail(f"The figure could not be drawn: {error}")

    def _fail(self, sentence: str) -> None:
        self._failed_at = time.monotonic()
        update(self._trouble, object=plain(sentence), visible=True)

    def _show_picture(self, picture: Picture) -> None:
        if self._asked != self._wish():
            return  # something else is wanted by now: it is asked for next
        unknown = self._state.figure not in ("", *FIGURES)
        words = f"There is no figure named {self._state.figure!r}; this is another one." if unknown else ""
        update(self._trouble, object=plain(words), visible=unknown)
        if picture is not self._picture:
            self._image.param.update(object=picture.png, alt_text=picture.words)
        self._picture = picture
        self._filters.offer(picture.countries)
        name = f"contrail_{self._asked.figure}_{picture.until:%Y%m%dT%H%MZ}.png"
        update(self._download, disabled=False, filename=name)
        update(self._enlarge, disabled=False)

    def _make_picture(self) -> None:
        self._small, large = pmui.Column(), pmui.Column()
        self._screen = pmui.BreakpointSwitcher(breakpoint="sm", small=self._small, large=large, height=0)
        self._image = pn.pane.PNG(None, alt_text="No figure yet", sizing_mode="scale_width", margin=0)
        self._progress = pmui.LinearProgress(
            sizing_mode="stretch_width", margin=(0, 10), styles={"visibility": "hidden"}
        )
        self._trouble = pmui.Alert("", severity="warning", visible=False, sizing_mode="stretch_width")
        self._told = pmui.Typography(SAYS_NOTHING, variant="body2", sx=QUIET | NUMBERS, styles={"flex": "1 1 300px"})
        self._refresh = pmui.Button(
            label="Refresh", variant="outlined", size="small", on_click=lambda _: self._draw_anew()
        )
        self._enlarge = pmui.Button(
            label="Enlarge", variant="outlined", size="small", disabled=True, on_click=lambda _: self._open()
        )
        self._download = pmui.FileDownload(
            callback=self._bytes,
            filename="contrail.png",
            label="Download PNG",
            variant="outlined",
            size="small",
            disabled=True,
        )
        self._dialog = pmui.Dialog(full_screen=True, show_close_button=True, close_on_click=True)

    def _laid_out(self) -> Any:
        row = {"gap": "12px", "sizing_mode": "stretch_width", "align_items": "center"}
        bar = pmui.FlexBox(self._told, self._refresh, self._enlarge, self._download, **row | {"gap": "0"})
        return pmui.Column(
            self._screen,
            self._trouble,
            pmui.Paper(bar, self._progress, self._image, elevation=0, sx=CARD, margin=0, sizing_mode="stretch_width"),
            self._dialog,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _draw_anew(self) -> None:
        self._anew = True

    def _bytes(self) -> io.BytesIO:
        self._download.data = None  # the browser saves what changes: without this, nothing the second time
        return io.BytesIO(self._picture.png if self._picture else b"")

    def _open(self) -> None:
        if self._picture is not None:
            wide, high = self._picture.pixels
            large = pn.pane.PNG(
                self._picture.png, alt_text=self._picture.words, width=wide, height=high, sizing_mode="fixed"
            )
            self._dialog.objects = [large]
            self._dialog.param.update(title=self._picture.title, open=True)


def told(picture: Picture) -> str:
    """How old a picture is, and of which version of the table."""
    read = f"{picture.read_at:%H:%M:%S} UTC"
    of = f"version {picture.version:,} of {picture.table}"
    return f"From {of}, read at {read}. Drawn again each minute while there is more to show."
