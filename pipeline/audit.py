"""Row conservation, proven from the tables: every Kafka message is in Silver, in quarantine, or a repeat; Gold counts all of Silver.

Bronze is read again, message by message and without Spark, by the rules that `silver` and `history` state: what comes out has
to be what the tables hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import pandas as pd

from pipeline.serving import Reader
from pipeline.tables import (
    ANOMALY_ALERTS,
    BRONZE,
    FLIGHT_PHASE_COUNTS,
    FLIGHTS_ML,
    PHASE_PREDICTIONS,
    QUARANTINE,
    Lake,
)

CHUNK = 200_000
WINDOWS_A_ROW = 5
LARGEST, LAST_SECOND, FUTURE_SECONDS = 1e7, 4_102_444_800, 60
BRACKETS, LONGEST_OF_OTHERS, LONG_NUMBER = 100, 50_000, re.compile(rb"[0-9]{1000}")
ADDRESS = re.compile(r"[0-9a-fA-F]{6}")
TEXTS = ("callsign", "origin_country", "squawk")
FLOATS = ("longitude", "latitude", "baro_altitude", "velocity", "true_track", "vertical_rate", "geo_altitude")
TIMES = ("time", "time_position", "last_contact")


@dataclass(frozen=True)
class Check:
    """One equation, its two sides and whether they are equal."""

    name: str
    expected: int
    found: int

    @property
    def holds(self) -> bool:
        """Whether both sides are equal."""
        return self.expected == self.found


@dataclass(frozen=True)
class Report:
    """What the audit found."""

    messages: int
    observations: int
    quarantined: int
    repeated: int
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every equation holds."""
        return all(check.holds for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        checks = [asdict(check) | {"holds": check.holds} for check in self.checks]
        return asdict(self) | {"checks": checks, "holds": self.holds}

    def as_text(self) -> str:
        """For people."""
        lines = [
            f"{self.messages:,} messages = {self.observations:,} observations "
            f"+ {self.quarantined:,} quarantined + {self.repeated:,} repeated"
        ]
        lines += [
            f"  {'ok  ' if check.holds else 'FAIL'} {check.name}: expected {check.expected:,}, found {check.found:,}"
            for check in self.checks
        ]
        return "\n".join([*lines, "All rows are accounted for." if self.holds else "Rows are NOT accounted for."])


def audit(lake: Lake, say: Callable[[str], None] = lambda words: None) -> Report:
    """Compare the tables with what Bronze says they have to hold; LakeError when a table is missing.

    The tables are read from the end of the flow to its beginning, so a running pipeline shows at most as much in Gold as in
    Silver and in Silver as in Bronze; for an exact answer let it catch up first.
    """
    reader = Reader(lake)
    scored = _scored(reader)
    for table in (ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, QUARANTINE, BRONZE):
        reader.refresh(table)
    silver = reader.one(
        FLIGHTS_ML, "count(*) AS n, count(DISTINCT icao24 || cast(event_timestamp AS varchar)) AS distinct_n"
    )
    quarantine = reader.one(QUARANTINE, 'count(*) AS n, count(DISTINCT "partition" || \':\' || "offset") AS distinct_n')
    places = reader.rows(
        BRONZE, '"partition" AS p, count(*) AS n, min("offset") AS low, max("offset") AS high', 'GROUP BY "partition"'
    )
    messages = sum(place["n"] for place in places)
    say(f"Reading {messages:,} messages")
    observations, rejected, repeated = _recount(reader, places, say)
    phases = reader.one(FLIGHT_PHASE_COUNTS, "coalesce(sum(observations), 0) AS n, count(*) AS r, "
                        "count(DISTINCT flight_phase || cast(window_start AS varchar)) AS distinct_r")  # fmt: skip
    alerts = reader.one(ANOMALY_ALERTS, "coalesce(sum(observations), 0) AS n, count(*) AS r, "
                        "count(DISTINCT origin_country || cast(window_start AS varchar)) AS distinct_r")  # fmt: skip
    checks: tuple[Check, ...] = (
        Check("bronze has every offset", sum(place["high"] - place["low"] + 1 for place in places), messages),
        Check("silver has every new observation", observations, silver["n"]),
        Check("silver has none twice", silver["n"], silver["distinct_n"]),
        Check("quarantine has every rejected message", rejected, quarantine["n"]),
        Check("quarantine has none twice", quarantine["n"], quarantine["distinct_n"]),
        Check("bronze = silver + quarantine + repeated", messages, silver["n"] + quarantine["n"] + repeated),
        Check("flight_phase_counts counts all of silver", silver["n"], phases["n"]),
        Check("flight_phase_counts has no window twice", phases["r"], phases["distinct_r"]),
        Check("anomaly_alerts counts each row in five windows", WINDOWS_A_ROW * silver["n"], alerts["n"]),
        Check("anomaly_alerts has no window twice", alerts["r"], alerts["distinct_r"]),
    )
    checks += _checks_of_scores(reader, *scored) if scored is not None else ()
    return Report(messages, silver["n"], quarantine["n"], repeated, checks)


def _scored(reader: Reader) -> tuple[pd.DataFrame, int] | None:
    """Of each aircraft that the optional stream has scored: its rows, the first and the last; None when there is none.

    And how many rows stand twice.
    """
    if reader.refresh(PHASE_PREDICTIONS) < 0:
        return None
    at = "CAST(event_timestamp AS BIGINT)"
    found = reader.frame(
        PHASE_PREDICTIONS,
        f"icao24, count(*) AS n, count(DISTINCT {at}) AS distinct_n, min({at}) AS first, max({at}) AS last",
        "GROUP BY icao24",
    )
    return (found, int(found["n"].sum() - found["distinct_n"].sum())) if len(found) else None


def _checks_of_scores(reader: Reader, scored: pd.DataFrame, twice: int) -> tuple[Check, ...]:
    """Silver has an aircraft's rows in the order of their time, and so they are scored: none may lack between two of them.

    That holds however far the stream is, and whether it runs.
    """
    spans, expected = scored.set_index("icao24"), 0
    columns = "icao24, CAST(event_timestamp AS BIGINT) AS at"
    for batch in reader.batches(
        FLIGHTS_ML, columns, f"WHERE CAST(event_timestamp AS BIGINT) >= {spans['first'].min()}"
    ):
        rows = batch.to_pandas()
        span = spans.reindex(rows["icao24"])
        expected += int(rows["at"].between(span["first"].to_numpy(), span["last"].to_numpy()).sum())
    return (
        Check("phase_predictions has every row of silver since it began", expected, int(scored["n"].sum())),
        Check("phase_predictions has none twice", 0, twice),
    )


def _recount(reader: Reader, places: list[dict[str, Any]], say: Callable[[str], None]) -> tuple[int, int, int]:
    """New observations, rejected messages and repeats among Bronze's messages, in Kafka's order."""
    latest: dict[str, int] = {}
    observations = rejected = repeated = 0
    for value in _values(reader, places):
        address, contact = observed(value)
        if address is None:
            rejected += 1
        elif contact <= latest.get(address, -1):
            repeated += 1
        else:
            latest[address] = contact
            observations += 1
        if (observations + rejected + repeated) % CHUNK == 0:
            say(f"  {observations + rejected + repeated:,}")
    return observations, rejected, repeated


def _values(reader: Reader, places: list[dict[str, Any]]) -> Iterator[bytes]:
    for place in sorted(places, key=lambda place: int(place["p"])):
        for begin in range(place["low"], place["high"] + 1, CHUNK):
            within = f'"partition" = {place["p"]} AND "offset" >= {begin} AND "offset" < {begin + CHUNK}'
            yield from reader.column(BRONZE, "value", f'WHERE {within} ORDER BY "offset"')


def observed(value: bytes | None) -> tuple[str | None, int]:
    """Address (lower case) and last contact (s since 1970) of a message; None when it belongs in quarantine."""
    value, begins = value or b"", (value or b"").startswith(b'{"icao24":"')
    if value.count(b"[") + value.count(b"{") > BRACKETS:
        return None, 0
    if not begins and (len(value) > LONGEST_OF_OTHERS or LONG_NUMBER.search(value)):
        return None, 0
    try:
        message = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None, 0
    if not isinstance(message, dict) or not all(_typed(message)):
        return None, 0
    address, time, contact = message.get("icao24"), message.get("time"), message.get("last_contact")
    if not isinstance(address, str) or not ADDRESS.fullmatch(address) or time is None or contact is None:
        return None, 0
    if address != (value[11:17].decode("ascii", "replace") if begins else _first_address(value)):
        return None, 0
    latitude, longitude = message.get("latitude"), message.get("longitude")
    outside = (latitude is not None and abs(latitude) > 90) or (longitude is not None and abs(longitude) > 180)
    if outside or contact > time + FUTURE_SECONDS:
        return None, 0
    return address.lower(), contact


def _first_address(value: bytes) -> Any:
    """The address where it stands first; an object may name it twice."""
    return next(told for name, told in json.loads(value.decode(), object_pairs_hook=list) if name == "icao24")


def _typed(message: dict[str, Any]) -> Iterator[bool]:
    """Whether each field is missing or of its type."""
    for name in TEXTS:
        yield message.get(name) is None or isinstance(message[name], str)
    for name in FLOATS:
        value = message.get(name)
        yield value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST)
    for name in TIMES:
        value = message.get(name)
        yield value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LAST_SECOND)
    yield message.get("on_ground") is None or isinstance(message["on_ground"], bool)
    category = message.get("category")
    yield category is None or (isinstance(category, int) and not isinstance(category, bool) and abs(category) < 2**31)
