"""The SQL explorations: `explore/sql/*.sql`, in words that mean the same to Spark SQL and to DataFusion, over a view `flights`.

`flights` is a part of Silver: every column of `flights_ml`, and `event_seconds`, the event time in seconds since 1970 as a double
(the two dialects differ in how they subtract moments). Here DataFusion answers, without Spark; `explore/on_spark.py` is Spark.
Equal rows of both are tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from explore.sample import chosen
from pipeline.errors import LakeError
from pipeline.serving import Reader
from pipeline.tables import FLIGHTS_ML

FOLDER = Path(__file__).with_name("sql")
NAMES = ("country_statistics", "ground_and_air", "altitude_bands", "steepest_moments")
UNITS = {"degrees": "°", "meters": "m", "kmh": "km/h", "ms": "m/s", "seconds": "s", "percent": "%", "utc": "UTC"}
DIGITS = {"degrees": 3, "meters": 0, "kmh": 0, "ms": 1, "seconds": 0, "percent": 1}


@dataclass(frozen=True)
class Query:
    """One exploration: its title and meaning are the first two lines of its file."""

    name: str
    title: str
    meaning: str
    text: str


@dataclass(frozen=True)
class Answer:
    """The rows of a query over the part of Silver in [since, until), and which `version` of the table they are of."""

    query: Query
    rows: pd.DataFrame
    since: datetime
    until: datetime
    version: int
    countries: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()


def _loaded(name: str) -> Query:
    text = (FOLDER / f"{name}.sql").read_text()
    title, meaning, *_ = (line.removeprefix("-- ") for line in text.splitlines())
    return Query(name, title, meaning, text)


QUERIES = {name: _loaded(name) for name in NAMES}


def answered(
    reader: Reader,
    name: str,
    since: datetime,
    until: datetime,
    countries: Sequence[str] = (),
    phases: Sequence[str] = (),
) -> Answer:
    """Answer a query about the rows in [since, until), of these countries and phases where any are named.

    Raises LakeError without a table, and KeyError when there is no such query.
    """
    query, version = QUERIES[name], reader.refresh(FLIGHTS_ML)
    if version < 0:
        raise LakeError("There is no table flights_ml yet: start the pipeline once.")
    seconds = "CAST(to_unixtime(event_timestamp) AS DOUBLE) AS event_seconds"
    view = f"SELECT *, {seconds} FROM {FLIGHTS_ML.name} {chosen(since, until, countries, phases)}"
    rows = reader.answer(FLIGHTS_ML, {"flights": view}, query.text)
    return Answer(query, rows, since, until, version, tuple(countries), tuple(phases))


def heading(column: str) -> str:
    """A column's name for people, with its unit: `mean_speed_kmh` is `Mean speed, km/h`."""
    words = column.split("_")
    unit = UNITS.get(words[-1])
    name = " ".join(words[:-1] if unit else words)
    return f"{name[:1].upper()}{name[1:]}, {unit}" if unit else f"{name[:1].upper()}{name[1:]}"


def digits(column: str) -> int:
    """How many digits a column's numbers are shown with."""
    return DIGITS.get(column.split("_")[-1], 0)


def csv(rows: pd.DataFrame) -> str:
    """Rows as CSV: moments in UTC, missing values empty, numbers in full."""
    written: str = rows.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    return written
