"""Explore's SQL tables: pick an exploration, see its rows, sort them, and take them along as CSV."""

from __future__ import annotations

from functools import partial
from html import escape
from io import BytesIO
from typing import Any

import panel as pn
import panel_material_ui as pmui
from alert_inquiry import Inquiry
from answers import ANSWERS, Told
from explore_filters import Filters, chooser, chosen
from gallery import Range
from header import update
from hub import Hub
from look import CARD, NUMBERS, QUIET
from plain_text import plain
from rows_table import MOST_SHOWN, RowsTable
from snapshot import Snapshot
from view_state import ViewState

from explore.figures import period
from explore.queries import QUERIES
from pipeline.status_words import LABELS


class QueryCard:
    """One session's table; `pick` chooses the exploration. Asked when something is chosen, and on Run again: never by itself."""

    def __init__(self, hub: Hub, state: ViewState, filters: Filters) -> None:
        self._hub, self._state, self._filters = hub, state, filters
        self._asked: tuple[str, Range] | None = None
        self._told: Told | None = None
        self._inquiry = Inquiry(hub, self._answered)
        self.pick = chooser(state, "query", "SQL exploration", {name: one.title for name, one in QUERIES.items()})
        self._make()
        self.view = self._laid_out()

    def show(self, snapshot: Snapshot) -> None:
        """Ask for what is chosen now."""
        if snapshot.newest is None:
            update(self._words, object=plain(snapshot.trouble) or "Waiting for the first observations.")
        elif (self._query, self._filters.range) != self._asked:
            self._ask(anew=False)

    @property
    def _query(self) -> str:
        return chosen(QUERIES, self._state.query)

    def _ask(self, *, anew: bool) -> None:
        self._asked = self._query, self._filters.range
        query = QUERIES[self._query]
        update(self._meaning, object=query.meaning)
        update(self._sql, object=f'<pre style="white-space:pre-wrap;margin:0">{escape(query.text)}</pre>')
        update(self._download, disabled=True)
        self._inquiry.fetch(partial(ANSWERS.answer, self._hub, *self._asked, anew=anew))

    def _answered(self, found: Told) -> None:
        answer = found.answer
        if self._asked is None or answer.query.name != self._asked[0]:
            return
        self._told = found
        self._table.show(answer.rows)
        update(self._words, object=plain(words(found, LABELS[self._hub.settings.source])))
        name = f"contrail_{answer.query.name}_{answer.until:%Y%m%dT%H%MZ}.csv"
        update(self._download, disabled=answer.rows.empty, filename=name)

    def _csv(self) -> BytesIO:
        self._download.data = None  # the browser saves what changes: without this, nothing the second time
        return BytesIO(self._told.csv if self._told else b"")

    def _make(self) -> None:
        self._meaning = pmui.Typography("", variant="body1", margin=0)
        self._words = pmui.Typography("", variant="body2", sx=QUIET | NUMBERS, styles={"flex": "1 1 300px"}, margin=0)
        self._sql = pn.pane.HTML("", sizing_mode="stretch_width", margin=0)
        self._table = RowsTable()
        self._again = pmui.Button(
            label="Run again", variant="outlined", size="small", on_click=lambda _: self._ask(anew=True)
        )
        self._download = pmui.FileDownload(
            callback=self._csv, filename="contrail.csv", label="Download CSV", variant="outlined", size="small",
            disabled=True,
        )  # fmt: skip

    def _laid_out(self) -> Any:
        bar = pmui.FlexBox(
            self._words, self._again, self._download, sizing_mode="stretch_width", align_items="center", gap="0"
        )
        text = pmui.Accordion(("The SQL", self._sql), sizing_mode="stretch_width", margin=(12, 0, 0, 0))
        return pmui.Paper(
            self._meaning, bar, self._inquiry.view, self._table, text,
            elevation=0, sx=CARD, margin=0, sizing_mode="stretch_width",
        )  # fmt: skip


def words(found: Told, label: str) -> str:
    """What the rows are of, and how they came."""
    answer = found.answer
    first = f", the first {MOST_SHOWN:,} shown" if len(answer.rows) > MOST_SHOWN else ""
    of = ", ".join(filter(None, (", ".join(answer.phases), ", ".join(answer.countries))))
    return (
        f"{label}: {len(answer.rows):,} rows{first}; {period(answer.since, answer.until)}{f'; {of}' if of else ''}; "
        f"version {answer.version:,} of flights_ml, read at {found.read_at:%H:%M:%S} UTC in {found.seconds:.1f} s."
    )
