"""Rows as a table to scroll, sorted on the server by the column whose header is pressed: all rows, not only those shown.

Where rows can be chosen the first cell of each is a button, and a press anywhere in the row presses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from functools import partial
from html import escape
from typing import Any, ClassVar

import pandas as pd
import panel as pn
import param
from header import update

from explore.queries import digits, heading

MOST_SHOWN, TABLE_PX = 500, 460
MISSING = "–"
UNSORTED, ASCENDING, DESCENDING = "none", "ascending", "descending"
MARKS = {UNSORTED: "", ASCENDING: " ▲", DESCENDING: " ▼"}
STYLES = f"""
.scroll {{ max-height: {TABLE_PX}px; overflow: auto; }}
table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }}
th {{ position: sticky; top: 0; text-align: left; background: var(--mui-palette-background-paper, Canvas); }}
th, td {{ padding: 4px 12px 4px 0; white-space: nowrap; border-bottom: 1px solid rgb(128 128 128 / 25%); }}
button {{ all: unset; cursor: pointer; }}
th button {{ font-weight: 600; }}
button:hover {{ text-decoration: underline; }}
button:focus-visible {{ outline: 2px solid currentColor; outline-offset: 2px; }}
tr:has(td button) {{ cursor: pointer; }}
tr:has(td button):hover, tr:has([aria-pressed=true]) {{ background: rgba(0, 114, 178, 0.28); }}
"""
# Whoever pressed a button with the keyboard stands on it again after the table was written anew.
SCRIPT = """
export function render({model, el}) {
  const place = document.createElement("div")
  const write = () => {
    const root = place.getRootNode()
    const held = root.activeElement && root.activeElement.dataset ? root.activeElement.dataset : {}
    const {column, row} = held
    place.innerHTML = model.html
    if (column !== undefined || row !== undefined) {
      const again = [...place.querySelectorAll("button")].find(one => one.dataset.column === column && one.dataset.row === row)
      if (again) again.focus()
    }
  }
  place.addEventListener("click", event => {
    const pressed = event.target.closest("button") || event.target.closest("tr")?.querySelector("td button")
    if (pressed) model.send_msg(pressed.dataset.row === undefined ? pressed.dataset.column : Number(pressed.dataset.row))
  })
  model.on("html", write)
  write()
  return place
}
"""


class RowsTable(pn.custom.JSComponent):
    """One session's table. `show` gives it rows; a press on a header sorts them, a second one the other way, a third not at all.

    With `chosen` a row can be pressed, and it is called with the row's label in the index of what was shown.
    """

    html = param.String(default="")

    _esm = SCRIPT
    _stylesheets: ClassVar[list[str]] = [STYLES]

    def __init__(self, chosen: Callable[[Any], None] | None = None, **given: Any) -> None:
        super().__init__(sizing_mode="stretch_width", margin=0, css_classes=["answer"], **given)
        self._rows, self._chosen, self._pressed = pd.DataFrame(), chosen, None
        self._labels: list[Any] = []
        self._column, self._way = "", UNSORTED

    def show(self, rows: pd.DataFrame, pressed: Any = None) -> None:
        """Show these rows, in the chosen order where they have that column; the one labelled `pressed` is marked."""
        self._rows, self._pressed = rows, pressed
        way = self._way if self._column in rows else UNSORTED
        sorted_rows = ordered(rows, self._column, way)
        self._labels = list(sorted_rows.index[:MOST_SHOWN])
        html = table(sorted_rows, self._column, way)
        update(self, html=html if self._chosen is None else _with_buttons(html, self._labels, pressed))

    def _handle_msg(self, data: Any) -> None:
        """A header or a row was pressed; a browser may send anything, and only what is shown is taken."""
        if self._chosen is not None and type(data) is int and 0 <= data < len(self._labels):
            self._chosen(self._labels[data])
        if not isinstance(data, str) or data not in self._rows:
            return
        ways = (ASCENDING, DESCENDING, UNSORTED)
        self._way = ways[(ways.index(self._way) + 1) % 3] if data == self._column else ASCENDING
        self._column = data
        self.show(self._rows, self._pressed)


def ordered(rows: pd.DataFrame, column: str, way: str) -> pd.DataFrame:
    """Rows by a column, missing values last either way, equal ones as they were."""
    if way == UNSORTED:
        return rows
    return rows.sort_values(column, ascending=way == ASCENDING, na_position="last", kind="stable")


def table(rows: pd.DataFrame, column: str = "", way: str = UNSORTED) -> str:
    """Rows as an HTML table, at most `MOST_SHOWN`: a real table is what a screen reader can read cell by cell."""
    numbers = [name for name in rows if pd.api.types.is_numeric_dtype(rows[name])]
    formats: dict[Hashable, Any] = {name: partial(_number, digits(name)) for name in numbers}
    made = shown(rows).style.format(formats, na_rep=MISSING, escape="html").hide(axis="index").hide(axis="columns")
    made = made.set_properties(subset=numbers, **{"text-align": "right"})
    heads = "".join(_head(str(name), way if name == column else UNSORTED) for name in rows)
    body = made.to_html(table_uuid="rows").replace("<thead>", f"<thead><tr>{heads}</tr>", 1)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Rows">{body}</div>'


def _with_buttons(html: str, labels: list[Any], pressed: Any) -> str:
    """The same table, with a button in the first cell of each row."""

    def button(cell: re.Match[str]) -> str:
        row = int(cell[2])
        state = str(labels[row] == pressed).lower()
        return f'{cell[1]}<button type="button" data-row="{row}" aria-pressed="{state}">{cell[3]}</button></td>'

    return re.sub(r'(<td id="T_rows_row(\d+)_col0"[^>]*>)(.*?)</td>', button, html)


def _head(name: str, way: str) -> str:
    words, column = escape(heading(name)), escape(name, quote=True)
    mark = f'<span aria-hidden="true">{MARKS[way]}</span>' if MARKS[way] else ""
    return f'<th scope="col" aria-sort="{way}"><button type="button" data-column="{column}">{words}{mark}</button></th>'


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """The first `MOST_SHOWN` rows as a person reads them: moments without a zone's name, missing words as a dash."""
    made = rows.head(MOST_SHOWN).reset_index(drop=True)
    for name in made:
        if isinstance(made[name].dtype, pd.DatetimeTZDtype):
            made[name] = made[name].dt.strftime("%Y-%m-%d %H:%M:%S")
        if not pd.api.types.is_numeric_dtype(made[name]):
            made[name] = made[name].fillna(MISSING)
    return made


def _number(places: int, value: float) -> str:
    return MISSING if pd.isna(value) else f"{value:,.{places}f}"
