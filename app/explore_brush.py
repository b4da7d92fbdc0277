"""Explore's brushed view: drag over altitudes, speeds, times or the map, and all plots and the rows follow.

Reading a sample and cutting it into bins is done on a worker's thread; what a drag costs the event loop is a few milliseconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from alert_inquiry import Inquiry
from brush_fields import BrushFields
from brush_figures import BrushFigures
from explore_filters import Filters
from gallery import GALLERY, Range, Taken
from header import update
from hub import Hub
from look import CARD, NUMBERS, QUIET
from plain_text import plain
from rows_table import MOST_SHOWN, RowsTable
from sessions import is_behind
from snapshot import Snapshot
from view_state import ViewState

from explore.brush import Brushed, Brushes, Mask
from explore.brush_text import AREA, MEASURES
from explore.figures import caption_of
from explore.queries import csv
from pipeline.palette import PHASE_COLOURS
from pipeline.serving import Reader
from pipeline.status_words import LABELS

SHOWN = {
    "event_timestamp": "event_timestamp",
    "icao24": "icao24",
    "callsign": "callsign",
    "origin_country": "country",
    "flight_phase": "flight_phase",
    "altitude_meters": "altitude_meters",
    "velocity_kmh": "speed_kmh",
    "vertical_rate": "vertical_rate_ms",
    "longitude": "longitude_degrees",
    "latitude": "latitude_degrees",
}
HINT = "Drag over a plot to choose, or type a range below it; choices on several plots add up. A double click clears."
LONGEST_REST_SECONDS = 10.0  # a drag whose end never comes, since the browser lost it, is forgotten
WORDS = {"altitude_meters": "{:,.0f} to {:,.0f} m", "velocity_kmh": "{:,.0f} to {:,.0f} km/h"}


@dataclass(frozen=True)
class Rows:
    """A sample, ready to be brushed."""

    taken: Taken
    brushed: Brushed


class BrushCard:
    """One session's brushed view. A new sample is taken when the filters change, and on Refresh."""

    pick: Any = None

    def __init__(self, hub: Hub, state: ViewState, filters: Filters) -> None:
        self._hub, self._state, self._filters = hub, state, filters
        self._document = pn.state.curdoc
        self._asked: Range | None = None
        self._rows: Rows | None = None
        self._mask: Mask | None = None
        self._late, self._dragged_at = False, float("-inf")
        self._inquiry = Inquiry(hub, self._answered)
        self._figures = BrushFigures(state.theme, self._moved)
        state.param.watch(lambda event: self._figures.paint(event.new), "theme")
        self._make()
        self.view = self._laid_out()

    def show(self, snapshot: Snapshot) -> None:
        """Ask for another sample when the filters are others, and catch up with a drag that came too fast."""
        if snapshot.newest is None:
            update(self._words, object=plain(snapshot.trouble) or "Waiting for the first observations.")
        elif self._filters.range != self._asked:
            self._ask(anew=False)
        if self._state.brushed != self._figures.brushes and time.monotonic() - self._dragged_at > LONGEST_REST_SECONDS:
            self._figures.mark(self._state.brushed)
            self._late = True
        self._fields.show(self._state.brushed)
        if self._late and self._rows is not None:
            self._late = False
            self._light(final=True)

    def _ask(self, *, anew: bool) -> None:
        self._asked = self._filters.range
        self._inquiry.fetch(partial(prepared, self._hub, self._asked, anew))

    def _answered(self, found: Rows) -> None:
        self._rows = found
        self._filters.offer(found.taken.sample.present)
        self._figures.show(found.brushed)
        label = LABELS[self._hub.settings.source]
        update(self._caption, object=plain(f"{label}: {caption_of(found.taken.sample)}."))
        self._light(final=True)

    def _moved(self, brushes: Brushes, final: bool) -> None:
        """A drag goes on, or ends. While the browser has not taken the last update there is no sense in another one."""
        self._dragged_at = float("-inf") if final else time.monotonic()
        if final:
            self._state.brushed = brushes
        if self._rows is None:
            return
        if is_behind(self._document):
            self._late = True
            return
        self._late = False
        with pn.io.hold(self._document):
            self._light(final=final)

    def _light(self, *, final: bool) -> None:
        assert self._rows is not None
        brushed, brushes = self._rows.brushed, self._figures.brushes
        self._mask = mask = brushed.chosen(brushes)
        self._figures.light(brushed, mask)
        chosen, of = int(mask.sum()), len(mask)
        update(self._words, object=f"{chosen:,} of {of:,} rows chosen{described(brushes)}.{first(chosen)}")
        if final:
            self._table.show(as_rows(brushed.flights[mask]))
            update(self._download, disabled=chosen == 0)
            update(self._clear, disabled=not brushes)

    def _csv(self) -> BytesIO:
        self._download.data = None  # the browser saves what changes: without this, nothing the second time
        if self._rows is None or self._mask is None:
            return BytesIO()
        chosen = self._rows.brushed.flights[self._mask].drop(columns="weight")
        return BytesIO(csv(chosen).encode())

    def _make(self) -> None:
        self._fields = BrushFields(self._state)
        self._words = pmui.Typography(
            "", variant="body1", sx=NUMBERS, styles={"flex": "1 1 300px"}, margin=0, css_classes=["chosen"]
        )
        self._caption = pmui.Typography("", variant="body2", sx=QUIET | NUMBERS, margin=0)
        self._table = RowsTable()
        self._clear = pmui.Button(
            label="Clear selection",
            variant="outlined",
            size="small",
            disabled=True,
            on_click=lambda _: self._state.param.update(brushed=Brushes()),
        )
        self._refresh = pmui.Button(
            label="Refresh", variant="outlined", size="small", on_click=lambda _: self._ask(anew=True)
        )
        self._download = pmui.FileDownload(
            callback=self._csv, filename="contrail_selection.csv", label="Save selection as CSV", variant="outlined",
            size="small", disabled=True,
        )  # fmt: skip

    def _laid_out(self) -> Any:
        bar = pmui.FlexBox(
            self._words, self._clear, self._refresh, self._download,
            sizing_mode="stretch_width", align_items="center", gap="0",
        )  # fmt: skip
        fields, narrow = self._fields.views, {"flex": "1 1 260px", "minWidth": "0"}
        plots = [
            pn.Column(framed(plot, name), fields[MEASURES[name]], sizing_mode="stretch_width", styles=narrow, margin=0)
            for name, plot in self._figures.histograms.items()
        ]
        return pmui.Paper(
            bar,
            self._inquiry.view,
            pmui.Typography(HINT, variant="body2", sx=QUIET, margin=0),
            pmui.FlexBox(*keys(), gap="14px", align_items="center", margin=(6, 0)),
            pmui.FlexBox(*plots, gap="8px", sizing_mode="stretch_width", margin=0),
            framed(self._figures.map, "map"),
            fields[AREA],
            self._table,
            self._caption,
            elevation=0, sx=CARD, margin=0, sizing_mode="stretch_width",
        )  # fmt: skip


async def prepared(hub: Hub, wanted: Range, anew: bool) -> Rows:
    """A sample of the range, cut into bins off the event loop."""
    taken = await GALLERY.sample(hub, wanted, anew=anew)
    return await hub.ask(brushable, taken)


def brushable(_: Reader, taken: Taken) -> Rows:
    """A sample cut into bins; on a worker's thread."""
    return Rows(taken, Brushed(taken.sample.flights))


def as_rows(flights: pd.DataFrame) -> pd.DataFrame:
    """The columns of the row table."""
    made: pd.DataFrame = flights[list(SHOWN)].rename(columns=SHOWN)
    return made


def first(chosen: int) -> str:
    """That not all rows are shown, where that is so."""
    return f" The first {MOST_SHOWN:,} are below." if chosen > MOST_SHOWN else ""


def described(brushes: Brushes) -> str:
    """What is brushed, in words."""
    told = []
    for name, (low, high) in brushes.bands:
        if name in WORDS:
            told.append(WORDS[name].format(low, high))
        else:
            told.append(
                " to ".join(f"{np.datetime64(int(end), 'ms').astype(object):%H:%M:%S}" for end in (low, high)) + " UTC"
            )
    told += ["an area of the map"] if brushes.area is not None else []
    return f": {', '.join(told)}" if told else ""


def framed(plot: Any, name: str) -> Any:
    """A plot in a place of its own, by whose class it can be found."""
    pane = pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=0)
    return pn.Column(pane, sizing_mode="stretch_width", margin=0, css_classes=[f"brush-{name}"])


def keys() -> list[Any]:
    """A swatch and its name for each phase."""
    swatch = "display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:6px;vertical-align:-1px;background:{}"
    return [
        pn.pane.HTML(f'<span style="{swatch.format(colour)}"></span>{phase}', margin=0)
        for phase, colour in PHASE_COLOURS.items()
    ]
