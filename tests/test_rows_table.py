"""The rows of the Explore tab: all of them are sorted, by the column that is pressed, and nothing in them is taken for HTML."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))
from rows_table import ASCENDING, DESCENDING, MOST_SHOWN, UNSORTED, RowsTable, ordered, table

ROWS = pd.DataFrame(
    {
        "country": ["Peru", None, "<b>Oman</b>", "Chad"],
        "aircraft": [2, 7, 2, 30],
        "mean_speed_kmh": [800.4, np.nan, 90.0, 100.0],
    }
)


def column(html: str, number: int) -> list[str]:
    """The words in a column."""
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in html.split("<tbody>")[1].split("</tr>")]
    return [row[number].strip() for row in cells if row]


def sorts(html: str) -> dict[str, str]:
    return {name: way for way, name in re.findall(r'aria-sort="(\w+)"><button type="button" data-column="(\w+)"', html)}


def test_a_press_sorts_a_second_turns_it_and_a_third_takes_it_back():
    made = RowsTable()
    made.show(ROWS)
    assert column(made.html, 1) == ["2", "7", "2", "30"]
    assert set(sorts(made.html).values()) == {UNSORTED}
    told = []
    for _ in range(3):
        made._handle_msg("aircraft")
        told.append((sorts(made.html)["aircraft"], column(made.html, 1)))
    assert told == [
        (ASCENDING, ["2", "2", "7", "30"]),
        (DESCENDING, ["30", "7", "2", "2"]),
        (UNSORTED, ["2", "7", "2", "30"]),
    ]


def test_another_column_is_sorted_upwards_and_alone():
    made = RowsTable()
    made.show(ROWS)
    made._handle_msg("aircraft")
    made._handle_msg("country")
    assert sorts(made.html) == {"country": ASCENDING, "aircraft": UNSORTED, "mean_speed_kmh": UNSORTED}


@pytest.mark.parametrize("way", [ASCENDING, DESCENDING])
def test_missing_values_come_last_either_way(way: str):
    assert ordered(ROWS, "mean_speed_kmh", way)["mean_speed_kmh"].isna().tolist() == [False, False, False, True]
    assert ordered(ROWS, "country", way)["country"].isna().tolist() == [False, False, False, True]


def test_rows_that_are_not_shown_are_sorted_too():
    made = RowsTable()
    made.show(pd.DataFrame({"aircraft": np.arange(3 * MOST_SHOWN)}))
    made._handle_msg("aircraft")
    made._handle_msg("aircraft")
    assert column(made.html, 0)[0] == f"{3 * MOST_SHOWN - 1:,}"
    assert len(column(made.html, 0)) == MOST_SHOWN


def test_other_rows_come_in_the_chosen_order_and_without_the_column_as_they_are():
    made = RowsTable()
    made.show(ROWS)
    made._handle_msg("aircraft")
    made.show(ROWS.assign(aircraft=[9, 8, 7, 6]))
    assert column(made.html, 1) == ["6", "7", "8", "9"]
    made.show(ROWS[["country"]])
    assert column(made.html, 0)[0] == "Peru"


@pytest.mark.parametrize("sent", [None, 7, ["aircraft"], {"a": 1}, "no_such_column", ""])
def test_whatever_a_browser_sends_else_changes_nothing(sent: object):
    made = RowsTable()
    made.show(ROWS)
    before = made.html
    made._handle_msg(sent)
    assert made.html == before


def test_words_are_words_and_numbers_have_their_unit():
    html = table(ROWS)
    assert "&lt;b&gt;Oman&lt;/b&gt;" in html
    assert "<b>Oman" not in html
    assert column(html, 0)[1] == "–"
    assert ">Mean speed, km/h</button>" in html


def buttons(html: str) -> list[tuple[str, str, str]]:
    """Row, whether it is marked, and words of each row's button."""
    return re.findall(r'<button type="button" data-row="(\d+)" aria-pressed="(\w+)">(.*?)</button></td>', html)


def test_a_row_that_is_pressed_is_told_by_its_label_whatever_the_order_and_stays_marked():
    told: list[str] = []
    made = RowsTable(told.append)
    made.show(ROWS.set_axis(["p", "q", "r", "s"]), pressed="s")
    assert buttons(made.html) == [
        ("0", "false", "Peru"),
        ("1", "false", "–"),
        ("2", "false", "&lt;b&gt;Oman&lt;/b&gt;"),
        ("3", "true", "Chad"),
    ]
    made._handle_msg("aircraft")
    assert [words for _, marked, words in buttons(made.html) if marked == "true"] == ["Chad"]
    made._handle_msg(1)
    made._handle_msg(3)
    assert told == ["r", "s"]


@pytest.mark.parametrize("sent", [4, -1, True, 1.0, "1", None])
def test_a_row_that_is_not_shown_is_not_told(sent: object):
    told: list[object] = []
    made = RowsTable(told.append)
    made.show(ROWS)
    made._handle_msg(sent)
    assert told == []


def test_where_rows_are_only_read_there_is_nothing_to_press():
    made = RowsTable()
    made.show(ROWS)
    assert buttons(made.html) == []
