"""Row conservation, proven from the tables: every Kafka message is in Silver, in quarantine, or a repeat; Gold counts all of Silver.

Bronze is read again, message by message and without Spark, by the rules that `silver` and `history` state: what comes out has
to be what the tables hold.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import orjson
import pandas as pd

from pipeline import reach
from pipeline.errors import LakeError
from pipeline.resets import READS
from pipeline.serving import Reader
from pipeline.tables import (
    ANOMALY_ALERTS,
    BRONZE,
    FLIGHT_PHASE_COUNTS,
    FLIGHTS_ML,
    PHASE_PREDICTIONS,
    QUARANTINE,
    Lake,
    Table,
)

CHUNK = 200_000
WINDOWS_A_ROW = 5
LARGEST, LAST_SECOND, FUTURE_SECONDS = 1e7, 4_102_444_800, 60
BRACKETS, LONGEST_OF_OTHERS, LONG_NUMBER = 100, 50_000, re.compile(rb"[0-9]{1000}")
ADDRESS = re.compile(r"[0-9a-fA-F]{6}")
TEXTS = ("callsign", "origin_country", "squawk")
FLOATS = ("longitude", "latitude", "baro_altitude", "velocity", "true_track", "vertical_rate", "geo_altitude")
TIMES = ("time", "time_position", "last_contact")
Answer = TypeVar("Answer")


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
    """What the audit found. `on_the_way`: for each stream, the rows of what it reads that it has still to take."""

    messages: int
    observations: int
    quarantined: int
    repeated: int
    on_the_way: dict[str, int]
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every equation holds."""
        return all(check.holds for check in self.checks)

    @property
    def settled(self) -> bool:
        """Whether every equation holds and nothing is on its way."""
        return self.holds and not any(self.on_the_way.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        checks = [asdict(check) | {"holds": check.holds} for check in self.checks]
        return asdict(self) | {"checks": checks, "holds": self.holds, "settled": self.settled}

    def as_text(self) -> str:
        """For people."""
        behind = self.on_the_way["silver"]
        lines = [
            f"{self.messages:,} messages = {self.observations:,} observations + {self.quarantined:,} quarantined "
            f"+ {self.repeated:,} repeated" + (f" + {behind:,} on their way to silver" if behind else "")
        ]
        lines += [
            f"  on the way to {stream}: {rows:,} {'messages' if READS[stream] == BRONZE else 'observations'}"
            for stream, rows in self.on_the_way.items()
            if rows
        ]
        lines += [
            f"  {'ok  ' if check.holds else 'FAIL'} {check.name}: expected {check.expected:,}, found {check.found:,}"
            for check in self.checks
        ]
        return "\n".join([*lines, "All rows are accounted for." if self.holds else "Rows are NOT accounted for."])


def audit(lake: Lake, say: Callable[[str], None] = lambda words: None) -> Report:
    """Compare the tables with what Bronze says they have to hold; LakeError when a table is missing.

    The tables are read from the end of the flow to its beginning, and each is compared with what its stream had read when it was
    written (`reach`): so it says the same whether the pipeline runs or not. Where nothing tells that, it is compared with all.
    """
    reader = Reader(lake)
    begun = {stream for stream in READS if reach.has_begun(lake, stream)}
    scored = _scored(reader)
    for table in (ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS):
        reader.refresh(table)
    of_phases, of_alerts = (_counted_by(reader, stream, begun) for stream in ("flight_phase_counts", "anomaly_alerts"))
    for table in (FLIGHTS_ML, QUARANTINE):
        reader.refresh(table)
    silver = reader.one(
        FLIGHTS_ML, "count(*) AS n, count(DISTINCT icao24 || cast(event_timestamp AS varchar)) AS distinct_n"
    )
    quarantine = reader.one(QUARANTINE, 'count(*) AS n, count(DISTINCT "partition" || \':\' || "offset") AS distinct_n')
    read = {stream: _ends(reader, stream, begun) for stream in ("silver", "quarantine")}
    reader.refresh(BRONZE)
    places = _places(reader)
    messages = sum(place["n"] for place in places)
    say(f"Reading {messages:,} messages")
    found = _recount(reader, places, read, say)
    to_silver, to_quarantine = found["silver"], found["quarantine"]
    # As many as quarantine would have if it were where Silver is.
    quarantined = quarantine["n"] + to_silver["rejected"] - to_quarantine["rejected"]
    phases = _windows(reader, FLIGHT_PHASE_COUNTS, "flight_phase")
    alerts = _windows(reader, ANOMALY_ALERTS, "origin_country")
    to_phases, to_alerts = (silver["n"] if counted is None else counted for counted in (of_phases, of_alerts))
    checks: tuple[Check, ...] = (
        Check("bronze has every offset", sum(place["high"] - place["low"] + 1 for place in places), messages),
        Check("silver has every new observation", to_silver["observations"], silver["n"]),
        Check("silver has none twice", silver["n"], silver["distinct_n"]),
        Check("quarantine has every rejected message", to_quarantine["rejected"], quarantine["n"]),
        Check("quarantine has none twice", quarantine["n"], quarantine["distinct_n"]),
        Check(
            "bronze = silver + quarantine + repeated",
            to_silver.total(),
            silver["n"] + quarantined + to_silver["repeated"],
        ),
        Check("flight_phase_counts counts all of silver", to_phases, phases["n"]),
        Check("flight_phase_counts has no window twice", phases["r"], phases["distinct_r"]),
        Check("anomaly_alerts counts each row in five windows", WINDOWS_A_ROW * to_alerts, alerts["n"]),
        Check("anomaly_alerts has no window twice", alerts["r"], alerts["distinct_r"]),
    )
    checks += _checks_of_scores(reader, *scored) if scored is not None else ()
    on_the_way = {stream: messages - counts.total() for stream, counts in found.items()}
    on_the_way |= {"flight_phase_counts": silver["n"] - to_phases, "anomaly_alerts": silver["n"] - to_alerts}
    return Report(messages, silver["n"], quarantined, to_silver["repeated"], on_the_way, checks)


def _counted_by(reader: Reader, stream: str, begun: set[str]) -> int | None:
    """Rows of Silver that a stream of Gold had read; None when that is not known."""
    return _as_read(reader, stream, begun, lambda: int(reader.one(FLIGHTS_ML, "count(*) AS n")["n"]), 0)


def _ends(reader: Reader, stream: str, begun: set[str]) -> dict[int, int] | None:
    """Partition -> last offset of Bronze that a stream had read; None when that is not known."""
    return _as_read(reader, stream, begun, lambda: {place["p"]: place["high"] for place in _places(reader)}, {})


def _as_read(reader: Reader, stream: str, begun: set[str], ask: Callable[[], Answer], nothing: Answer) -> Answer | None:
    """An answer about what a stream reads, as it was when the stream had read it; `nothing` when it has read nothing.

    None when it is not known how far the stream is, or when that version is no longer kept: then all has to be there, as in
    the table of a stream that had `begun` before and has nothing of its own any more.
    """
    version = reach.reached(reader, stream)
    if version is None:
        return None
    if version == reach.NOTHING:
        return None if stream in begun else nothing
    try:
        reader.load(READS[stream], version)
        return ask()
    except LakeError:
        return None


def _places(reader: Reader) -> list[dict[str, Any]]:
    """Of each partition in Bronze: `p`, its number, how many messages (`n`), and their first and last offset (`low`, `high`)."""
    return reader.rows(
        BRONZE, '"partition" AS p, count(*) AS n, min("offset") AS low, max("offset") AS high', 'GROUP BY "partition"'
    )


def _windows(reader: Reader, table: Table, key: str) -> dict[str, Any]:
    """Of a table of Gold: the observations that it counts (`n`), its rows (`r`), and how many are distinct (`distinct_r`)."""
    distinct = f"count(DISTINCT {key} || cast(window_start AS varchar)) AS distinct_r"
    return reader.one(table, f"coalesce(sum(observations), 0) AS n, count(*) AS r, {distinct}")


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


def _recount(
    reader: Reader, places: list[dict[str, Any]], read: dict[str, dict[int, int] | None], say: Callable[[str], None]
) -> dict[str, Counter[str]]:
    """Judge Bronze's messages anew, in Kafka's order: for each stream, how many of each kind (`_judged`) it had read.

    `read` is how far each stream was: partition -> last offset, or None for all there is.
    """
    latest: dict[str, int] = {}
    found, judged = {stream: Counter[str]() for stream in read}, 0
    for place in sorted(places, key=lambda place: int(place["p"])):
        ends = [
            (found[stream], place["high"] if last is None else last.get(place["p"], -1))
            for stream, last in read.items()
        ]
        for offset, value in _values(reader, place):
            kind = _judged(latest, *observed(value))
            for counts, end in ends:
                if offset <= end:
                    counts[kind] += 1
            judged += 1
            if judged % CHUNK == 0:
                say(f"  {judged:,}")
    return found


def _judged(latest: dict[str, int], address: str | None, contact: int) -> str:
    """What a message is: `rejected`, `repeated`, or one of the `observations`, which `latest` remembers."""
    if address is None:
        return "rejected"
    if contact <= latest.get(address, -1):
        return "repeated"
    latest[address] = contact
    return "observations"


def _values(reader: Reader, place: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    """Offset and value of a partition's messages."""
    for begin in range(place["low"], place["high"] + 1, CHUNK):
        within = f'"partition" = {place["p"]} AND "offset" >= {begin} AND "offset" < {begin + CHUNK}'
        chunk = reader.table(BRONZE, '"offset" AS o, value', f'WHERE {within} ORDER BY "offset"')
        yield from zip(chunk["o"].to_pylist(), chunk["value"].to_pylist(), strict=True)


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
