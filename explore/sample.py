"""A seeded sample of Silver for the figures, taken without Spark: the same rows again, however large the table is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from pipeline.errors import LakeError
from pipeline.serving import Reader, between
from pipeline.tables import FLIGHTS_ML

MOST = 10_000
SEED = 7
HASHES = 2**32
COLUMNS = tuple(column.name for column in FLIGHTS_ML.columns if not column.name.startswith("previous_"))


@dataclass(frozen=True)
class Sample:
    """At most `MOST` of the `of` rows of Silver in [since, until), each as likely as any other, sorted by time.

    `flights` has `COLUMNS` and `weight`, the rows of Silver that a row stands for: sums of it estimate counts. `version` is the
    table's; `countries` and `phases` are the filters; `present` are all countries in that range, most rows first.
    """

    flights: pd.DataFrame
    of: int
    since: datetime
    until: datetime
    version: int
    countries: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    table: str = "flights_ml"


def reach(reader: Reader) -> tuple[datetime, datetime] | None:
    """Event times of the oldest and the newest row of Silver; None while there is none."""
    found = reader.one(FLIGHTS_ML, "min(event_timestamp) AS oldest, max(event_timestamp) AS newest")
    if found["newest"] is None:
        return None
    return found["oldest"].astimezone(UTC), found["newest"].astimezone(UTC)


def taken(
    reader: Reader,
    since: datetime,
    until: datetime,
    countries: Sequence[str] = (),
    phases: Sequence[str] = (),
    *,
    most: int = MOST,
    seed: int = SEED,
) -> Sample:
    """A sample of the rows in [since, until), of these countries and phases where any are named; LakeError without a table.

    Taken are the `most` rows with the lowest hashes of (icao24, event_timestamp, seed): a row's chance depends on no other row.
    """
    version = reader.refresh(FLIGHTS_ML)
    if version < 0:
        raise LakeError("There is no table flights_ml yet: start the pipeline once.")
    where = between(since, until, "event_timestamp")
    counts = reader.frame(FLIGHTS_ML, "origin_country, flight_phase, count(*) AS n", f"{where} GROUP BY 1, 2")
    kept = counts[_named(counts["origin_country"], countries) & _named(counts["flight_phase"], phases)]
    of = int(kept["n"].sum())
    where = chosen(since, until, countries, phases) + _lowest(of, most, seed)
    flights = reader.frame(FLIGHTS_ML, ", ".join(COLUMNS), where)
    flights = flights.sort_values(["event_timestamp", "icao24"], ignore_index=True)
    flights["weight"] = of / max(1, len(flights))
    ranked = counts.groupby("origin_country")["n"].sum().sort_values(ascending=False, kind="stable")
    return Sample(flights, of, since, until, version, tuple(countries), tuple(phases), tuple(map(str, ranked.index)))


def chosen(since: datetime, until: datetime, countries: Sequence[str], phases: Sequence[str]) -> str:
    """The condition for rows of Silver in [since, until), of these countries and phases where any are named (DataFusion SQL)."""
    where = between(since, until, "event_timestamp")
    return where + _among("origin_country", countries) + _among("flight_phase", phases)


def _named(values: pd.Series[str], names: Sequence[str]) -> pd.Series[bool]:
    return values.isin(list(names)) if names else pd.Series(True, values.index)


def _among(column: str, names: Sequence[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f" AND {column} IN ({quoted})" if names else ""


def _lowest(of: int, most: int, seed: int) -> str:
    """The condition and order that keep the `most` lowest hashes; a bound spares the sort nearly all of the others."""
    share = (most + 5 * math.sqrt(most)) / max(1, of)  # five standard deviations more than wanted
    if of <= most:
        return ""
    hashed = f"sha256(concat(icao24, ' ', CAST(event_timestamp AS BIGINT), ' {seed:d}'))"
    bound = f" AND {hashed} < x'{int(share * HASHES):08x}'" if share < 1 else ""
    return f"{bound} ORDER BY {hashed} LIMIT {most:d}"
