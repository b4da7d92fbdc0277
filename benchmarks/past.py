"""A table's past, made cheaply in the form in which the pipeline leaves it: a commit a snapshot, two days of log, a checkpoint before.

The last hour is real rows. What is older is never opened by any reader, which is what the measurement is about: its files stand in the
log with their own path, partition, size and bounds, and are all the same few rows on the disk.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake, Table

LOGGED, RECENT = timedelta(days=2), timedelta(hours=1)
SNAPSHOT = timedelta(seconds=15)
AIRCRAFT, COUNTRIES = 12_000, 100
STREAMS_READING = {
    BRONZE.name: ("silver", "quarantine"),
    FLIGHTS_ML.name: ("flight_phase_counts", "anomaly_alerts"),
}
MOST_LINKS = 30_000  # of one file; file systems allow 65,000


@dataclass(frozen=True)
class Form:
    """How many files a day's rows are in, per table: as written, or after housekeeping has put small files together."""

    name: str
    appended: int
    merged: int

    def a_day(self, table: Table) -> int:
        """Files a day of this table."""
        return self.appended if table in (BRONZE, FLIGHTS_ML) else self.merged


# Two files a snapshot, and a file a minute that later merges leave alone; compacted, files of 32 and of 8 MiB.
AS_WRITTEN, COMPACTED = Form("as written", 2 * 5760, 1440), Form("compacted", 130, 2)


def write(lake: Lake, until: datetime, past: timedelta, form: Form) -> int:
    """Give the tables a past that ends at `until`, behind the streams that have read them so far; returns the files written to the logs."""
    made = 0
    for table, rows in (
        (BRONZE, bronze),
        (FLIGHTS_ML, flights),
        (FLIGHT_PHASE_COUNTS, phases),
        (ANOMALY_ALERTS, countries),
    ):
        log = _Log(lake, table)
        old = list(_old(table, until - past, until - RECENT, form))
        early = [one for one in old if one.end <= until - LOGGED]
        if early:
            log.commit([log.named(one) for one in early])
            log.checkpoint()
            log.forget()
        width = SNAPSHOT if table in (BRONZE, FLIGHTS_ML) else timedelta(minutes=1)
        at, late = until - min(LOGGED, past), deque(old[len(early) :])
        # However few files there are: a table that was compacted has the log of all that was written.
        while at < until - RECENT:
            at += width
            begun = [late.popleft() for _ in range(bisect_left(late, at, key=lambda one: one.begin))]
            log.commit([log.named(one) for one in begun], checksum=True)
        at = until - min(RECENT, past)
        while at < until:
            log.commit([log.written(rows(at), at, at + width)])
            at += width
        log.checkpoint()
        for stream in STREAMS_READING.get(table.name, ()):
            _seen(Path(lake.checkpoint(stream)), log.version)
        made += len(old) + round(min(RECENT, past) / width)
    return made


@dataclass(frozen=True)
class _Old:
    begin: datetime
    end: datetime


def _old(table: Table, begin: datetime, end: datetime, form: Form) -> Iterator[_Old]:
    step = timedelta(days=1) / form.a_day(table)
    while begin < end:
        yield _Old(begin, begin + step)
        begin += step


class _Log:
    """A table's log on a disk, written to as Delta's protocol says."""

    def __init__(self, lake: Lake, table: Table) -> None:
        self.table, self.folder = table, Path(lake.path(table))
        self.version = int(DeltaTable(str(self.folder)).version())
        self._count, self._size, self._template = 0, 0, ""
        self._day, self._in = date.min, ""
        self._kinds = {name: table.schema.field(name).type for name in table.indexed}

    def commit(self, adds: list[dict[str, object]], *, checksum: bool = False) -> None:
        """Write an entry, and where asked the file beside it, which is read beside the newest entry alone."""
        self.version += 1
        path = self.folder / "_delta_log" / f"{self.version:020}.json"
        told = {"commitInfo": {"timestamp": _ms(datetime.now(UTC)), "operation": "WRITE"}}
        path.write_text("\n".join(json.dumps(action) for action in (told, *({"add": one} for one in adds))) + "\n")
        if checksum:
            path.with_suffix(".crc").write_text("{}")

    def checkpoint(self) -> None:
        DeltaTable(str(self.folder)).create_checkpoint()

    def forget(self) -> None:
        """Delete what the checkpoint holds, as the log's retention does."""
        for path in (self.folder / "_delta_log").glob("*.json"):
            if path.stem.isdigit() and int(path.stem) <= self.version:
                path.unlink()

    def written(self, rows: pa.Table, begin: datetime, end: datetime) -> dict[str, object]:
        """A file with these rows."""
        path = self._place(begin)
        pq.write_table(rows.drop_columns([self.table.partition]), self.folder / path, compression="snappy")
        return self._add(path, begin, end, len(rows), (self.folder / path).stat().st_size)

    def named(self, old: _Old) -> dict[str, object]:
        """A file whose rows nobody will read."""
        path = self._place(old.begin)
        if self._count % MOST_LINKS == 1 or not self._template:
            pq.write_table(self.table.schema.empty_table().drop_columns([self.table.partition]), self.folder / path)
            self._template, self._size = f"{self.folder}/{path}", (self.folder / path).stat().st_size
        else:
            os.link(self._template, f"{self.folder}/{path}")
        return self._add(path, old.begin, old.end, AIRCRAFT, self._size)

    def _place(self, at: datetime) -> str:
        self._count += 1
        if at.date() != self._day:
            self._day, self._in = at.date(), f"{self.table.partition}={at:%Y-%m-%d}"
            (self.folder / self._in).mkdir(parents=True, exist_ok=True)
        return f"{self._in}/part-{self._count:08}.snappy.parquet"

    def _add(self, path: str, begin: datetime, end: datetime, rows: int, size: int) -> dict[str, object]:
        return {
            "path": path,
            "partitionValues": {self.table.partition: path[path.index("=") + 1 : path.index("/")]},
            "size": size,
            "modificationTime": _ms(end),
            "dataChange": False,
            "stats": json.dumps(self._stats(begin, end, rows)),
        }

    def _stats(self, begin: datetime, end: datetime, rows: int) -> dict[str, object]:
        bounds: dict[str, tuple[object, object]] = {}
        for name in self.table.indexed:
            kind = self._kinds[name]
            if pa.types.is_timestamp(kind):
                bounds[name] = (_iso(begin), _iso(end))
            elif pa.types.is_string(kind):
                bounds[name] = ("000000", "ffffff")
            else:
                bounds[name] = (0, 0)
        least, most = ({name: both[place] for name, both in bounds.items()} for place in (0, 1))
        return {"numRecords": rows, "minValues": least, "maxValues": most, "nullCount": dict.fromkeys(bounds, 0)}


def _seen(checkpoint: Path, version: int) -> None:
    """Let a stream be behind this version: it has read the past, as a stream has that wrote it.

    Its earlier batches end before the last version: Spark looks at the last two again when it starts, and the log has forgotten older ones.
    """
    *_, newest = offsets = sorted((checkpoint / "offsets").glob("[0-9]*"), key=lambda path: int(path.name))
    for path in offsets:
        *head, last = path.read_text().rstrip("\n").split("\n")
        read = {"reservoirVersion": version + (path == newest), "index": -1, "isStartingVersion": False}
        path.write_text("\n".join([*head, json.dumps(json.loads(last) | read)]))
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


def bronze(at: datetime) -> pa.Table:
    """A snapshot's messages; their bytes are not read again."""
    size = AIRCRAFT
    made = {"value": [b"{}"] * size, "topic": ["past"] * size, "partition": np.zeros(size), "offset": np.zeros(size)}
    return _table(BRONZE, size, made | {"kafka_timestamp": [at] * size, "ingest_date": [at.date()] * size})


def flights(at: datetime) -> pa.Table:
    """A snapshot's observations."""
    chance = np.random.default_rng(int(at.timestamp()))
    made: dict[str, object] = {
        "event_timestamp": [at] * AIRCRAFT,
        "snapshot_timestamp": [at] * AIRCRAFT,
        "icao24": [f"{number:06x}" for number in range(AIRCRAFT)],
        "origin_country": [f"Country {number % COUNTRIES}" for number in range(AIRCRAFT)],
        "on_ground": chance.random(AIRCRAFT) < 0.1,
        "flight_phase": [PHASES[number % len(PHASES)] for number in range(AIRCRAFT)],
        "date": [at.date()] * AIRCRAFT,
    }
    for name in ("longitude", "latitude", "velocity_kmh", "altitude_meters", "geo_altitude_meters", "vertical_rate"):
        made[name] = chance.normal(500, 100, AIRCRAFT)
    return _table(FLIGHTS_ML, AIRCRAFT, made)


def phases(at: datetime) -> pa.Table:
    """A minute's flight phases."""
    made = {"flight_phase": list(PHASES), "observations": [8000] * len(PHASES), "aircraft": [2000] * len(PHASES)}
    means = dict.fromkeys(("avg_altitude_meters", "avg_velocity_kmh"), [800.0] * len(PHASES))
    counts = dict.fromkeys(("altitude_count", "velocity_count"), [8000] * len(PHASES))
    return _table(FLIGHT_PHASE_COUNTS, len(PHASES), made | means | counts | _window(at, 1, len(PHASES)))


def countries(at: datetime) -> pa.Table:
    """The countries of the window that begins with a minute."""
    counts = {"aircraft": [120] * COUNTRIES, "anomalous_aircraft": [2] * COUNTRIES, "observations": [2400] * COUNTRIES}
    named = {
        "origin_country": [f"Country {number}" for number in range(COUNTRIES)],
        "anomaly_rate": [2 / 120] * COUNTRIES,
    }
    return _table(
        ANOMALY_ALERTS, COUNTRIES, counts | named | {"examples": [[]] * COUNTRIES} | _window(at, 5, COUNTRIES)
    )


def _window(at: datetime, minutes: int, count: int) -> dict[str, object]:
    end = at + timedelta(minutes=minutes)
    moments = {
        "window_start": at,
        "window_end": end,
        "first_snapshot_timestamp": at,
        "created_at": end,
        "updated_at": end,
    }
    return {name: [moment] * count for name, moment in moments.items()} | {"date": [at.date()] * count}


def _table(table: Table, size: int, made: dict[str, object]) -> pa.Table:
    columns = [
        pa.array(made[field.name], field.type) if field.name in made else pa.nulls(size, field.type)
        for field in table.schema
    ]
    return pa.table(columns, schema=table.schema)


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
