"""The Explore tab: a statistical figure of a sample of Silver, of the time, the phases and the countries that one chooses."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from datetime import datetime
from typing import Any

import panel as pn
import panel_material_ui as pmui
from gallery import GALLERY, Picture, Range, Wish, is_current
from header import update
from hub import Hub
from look import CARD, NUMBERS, QUIET
from snapshot import Snapshot
from view_state import LONGEST_LIST, RANGES, ViewState

from explore.figures import FIGURES, period
from explore.sample import reach
from pipeline.errors import ContrailError
from pipeline.tables import PHASES

TIMES = {"Last 15 minutes": "15m", "Last hour": "1h", "Last 6 hours": "6h", "All there is": "all"}
FIRST = next(iter(FIGURES))
SETTLING_LOOKS = 2
RETRY_SECONDS = 10.0
SAYS_NOTHING = "Waiting for the first observations."
BUSY = "Reading a sample and drawing the figure."
WIDTH = {"flex": "1 1 140px", "minWidth": "0"}

log = logging.getLogger("contrail.app")


class ExploreTab:
    """One session's Explore tab."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state = hub, state
        self._task: asyncio.Future[Picture] | None = None
        self._asked: Wish | None = None
        self._picture: Picture | None = None
        self._anew, self._failed_at = False, float("-inf")
        self._settled_looks, self._busy_looks = 0, 0
        self._all_since: datetime | None = None
        self._make_controls()
        self._make_picture()
        self._watch()
        self._follow()
        self.view = self._laid_out()

    def show(self, snapshot: Snapshot) -> None:
        """Show what was drawn, and ask for what is to be seen now."""
        self._settled_looks += self._screen.current is not None
        if self._task is not None and self._task.done():
            self._receive(self._task)
            self._task = None
        if snapshot.newest is None:
            update(self._told, object=snapshot.trouble or SAYS_NOTHING)
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
        return self._picture is None or not is_current(self._picture, snapshot.versions.get("flights_ml", -1))

    def _wish(self) -> Wish:
        state = self._state
        figure = state.figure if state.figure in FIGURES else FIRST
        lake = self._hub.supervisor.lake.root
        span = Range(lake, RANGES[state.range], state.since, state.until, tuple(state.countries), tuple(state.phases))
        return Wish(figure, state.theme, self._screen.current is self._small, span)

    def _show_busy(self, busy: bool) -> None:
        """Say that a figure is being drawn; the one before is pale meanwhile."""
        update(self._progress, styles={"visibility": "visible" if busy else "hidden"})
        update(self._image, styles={"opacity": "0.4" if busy else "1"})
        if self._picture is not None or busy:
            update(self._told, object=BUSY if busy or self._picture is None else told(self._picture))

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
        update(self._trouble, object=sentence, visible=True)

    def _show_picture(self, picture: Picture) -> None:
        if self._asked != self._wish():
            return  # something else is wanted by now: it is asked for next
        unknown = self._state.figure not in ("", *FIGURES)
        words = f"There is no figure named {self._state.figure!r}; this is another one." if unknown else ""
        update(self._trouble, object=words, visible=unknown)
        if picture is not self._picture:
            self._image.param.update(object=picture.png, alt_text=picture.words)
        self._picture = picture
        self._offer(picture.countries)
        name = f"contrail_{self._asked.figure}_{picture.until:%Y%m%dT%H%MZ}.png"
        update(self._download, disabled=False, filename=name)
        update(self._enlarge, disabled=False)

    def _offer(self, countries: tuple[str, ...]) -> None:
        offered = sorted({*countries, *self._state.countries})
        update(self._countries, options=offered)

    def _make_controls(self) -> None:
        titles = {kind.title: name for name, kind in FIGURES.items()}
        self._figure = pmui.Select(
            label="Figure", options=titles, value=FIRST, sizing_mode="stretch_width", styles=WIDTH
        )
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
        controls = (self._figure, self._time, self._phases, self._countries)
        row = {"gap": "12px", "sizing_mode": "stretch_width", "align_items": "center"}
        bar = pmui.FlexBox(self._told, self._refresh, self._enlarge, self._download, **row | {"gap": "0"})
        return pmui.Column(
            self._screen,
            pmui.FlexBox(*controls, **row),
            self._trouble,
            pmui.Paper(bar, self._progress, self._image, elevation=0, sx=CARD, margin=10, sizing_mode="stretch_width"),
            self._dialog,
            sizing_mode="stretch_width",
            margin=(12, 16),
        )

    def _watch(self) -> None:
        state = self._state
        self._figure.param.watch(lambda event: state.param.update(figure=event.new), "value")
        self._phases.param.watch(lambda event: state.param.update(phases=list(event.new)), "value")
        self._countries.param.watch(lambda event: state.param.update(countries=list(event.new)), "value")
        self._time.param.watch(self._choose_time, "value")
        state.param.watch(lambda _: self._follow(), ["figure", "phases", "countries", "range", "since", "until"])

    def _follow(self) -> None:
        """Let the controls say what the state says."""
        state = self._state
        update(self._figure, value=state.figure if state.figure in FIGURES else FIRST)
        update(self._phases, value=list(state.phases), label="Phases" if state.phases else "Phases: all")
        self._offer(self._picture.countries if self._picture else ())
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
    return f"From version {picture.version:,} of flights_ml, read at {read}. Drawn again each minute while there is more to show."


def range_words(since: datetime | None, until: datetime | None) -> str:
    """A range that was set elsewhere, or by the address."""
    if since is not None and until is not None:
        return period(since, until)
    return f"Since {since:%Y-%m-%d %H:%M} UTC" if since is not None else f"Until {until:%Y-%m-%d %H:%M} UTC"
