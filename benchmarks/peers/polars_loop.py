"""The practical ceiling: a loop of polars and deltalake over one topic, in one process.

It writes the same Bronze, Silver and Gold rows as Contrail, a piece of messages at a time, and keeps each aircraft's history and
the open windows in memory. It has no engine, no checkpoint and no quarantine: what it had in memory when it dies is lost,
a piece that it tried twice is written twice, and a message of a wrong type ends it. So nothing that gives those can be expected to cost less.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from benchmarks.peers.topic import Messages, pieces
from pipeline.anomalies import EMERGENCY_SQUAWKS, LIMITS
from pipeline.history import BEFORE, CLIMB_RATE, CRUISE_FLOOR, SILENCE_SECONDS, TAKEOFF_CEILING, TAKEOFF_RATE
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, REASONS, Lake, Table

MESSAGE = {
    "icao24": pl.String,
    "callsign": pl.String,
    "origin_country": pl.String,
    "time_position": pl.Int64,
    "last_contact": pl.Int64,
    "longitude": pl.Float64,
    "latitude": pl.Float64,
    "baro_altitude": pl.Float64,
    "on_ground": pl.Boolean,
    "velocity": pl.Float64,
    "true_track": pl.Float64,
    "vertical_rate": pl.Float64,
    "geo_altitude": pl.Float64,
    "squawk": pl.String,
    "category": pl.Int32,
    "time": pl.Int64,
}
LIFT = 2**34  # more seconds than any event time has: one running maximum serves all aircraft
MINUTE, WINDOW_MINUTES, KEPT_SECONDS, EXAMPLES = 60, 5, 1800, 5
GROUND, TAKEOFF, CLIMB, CRUISE, DESCENT, TRANSITION = range(len(PHASES))
EXPERT = LIMITS["expert"]


def col(name: str) -> pl.Expr:
    return pl.col(name)


# Silver


def observations(taken: Messages) -> pl.DataFrame:
    """The messages as rows in Contrail's units; those out of range are left out."""
    read = pl.read_ndjson(b"\n".join(taken.values), schema=MESSAGE).with_columns(
        pl.Series("partition", taken.partition),
        pl.Series("offset", taken.offset),
        pl.Series("kafka_ms", taken.timestamp),
    )
    within = col("last_contact").is_not_null() & col("time").is_not_null() & (col("last_contact") <= col("time") + 60)
    for name, bound in (("latitude", 90), ("longitude", 180)):
        within &= col(name).is_null() | (col(name).abs() <= bound)
    callsign = col("callsign").str.strip_chars(" ")
    return read.filter(within & col("icao24").str.contains("^[0-9a-fA-F]{6}$")).select(
        col("icao24").str.to_lowercase().str.to_integer(base=16).alias("address"),
        col("last_contact").alias("at"),
        pl.when(callsign != "").then(callsign).alias("callsign"),
        col("origin_country").fill_null(""),
        "longitude",
        "latitude",
        (col("velocity") * 3.6).alias("velocity_kmh"),
        col("baro_altitude").alias("altitude_meters"),
        col("geo_altitude").alias("geo_altitude_meters"),
        "vertical_rate",
        "true_track",
        "on_ground",
        "squawk",
        "category",
        "time_position",
        "time",
        "kafka_ms",
        "partition",
        "offset",
        (col("squawk").is_in(EMERGENCY_SQUAWKS).fill_null(False) & ~col("on_ground").fill_null(False)).alias(
            "emergency"
        ),
        pl.lit(False).alias("old"),
    )


def advance(tail: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The next tail (the last five rows of each aircraft's history) and the new rows with their history."""
    rows = pl.concat([tail, new], how="diagonal").sort("address", "partition", "offset")
    lifted = col("at") + (col("address").cast(pl.Int64) * LIFT)
    rows = rows.filter((lifted > lifted.cum_max().shift(1)).fill_null(True))
    begins = (
        (col("address") != col("address").shift(1)) | (col("at") - col("at").shift(1) > SILENCE_SECONDS)
    ).fill_null(True)
    rows = rows.with_columns(begins.alias("begins"), begins.cum_sum().cast(pl.Int64).alias("history")).with_row_index(
        "place"
    )
    rows = rows.with_columns(rank(), lag("at", 1).alias("previous"), lag("emergency", 1).alias("emergency_before"))
    rows = rows.with_columns(*lagged("altitude_meters"), *lagged("velocity_kmh"))
    rows = rows.with_columns(kept_or("phase", phase()), kept_or("bits", bits()))
    rows = rows.with_columns(
        *(seen(f"in_{code}", col("phase") == code) for code in range(len(PHASES))), seen("odd", col("bits") != 0)
    )
    before = pl.coalesce(pl.when(col("phase") == code).then(lag(f"in_{code}", 1)) for code in range(len(PHASES)))
    rows = rows.with_columns(before.alias("previous_phase"), lag("odd", 1).alias("previous_odd"))
    newest = pl.when(col("address") != col("address").shift(-1).fill_null(-1)).then(col("history")).backward_fill()
    last = ((col("address") != col("address").shift(-BEFORE)).fill_null(True)) & (newest == col("history"))
    kept = ("address", "at", "altitude_meters", "velocity_kmh", "emergency", "rank", "phase", "bits", "odd")
    tail = rows.filter(last).select(*kept, *(f"in_{code}" for code in range(len(PHASES))))
    tail = tail.with_columns(
        pl.lit(-1, pl.Int64).alias("partition"), col("at").alias("offset"), pl.lit(True).alias("old")
    )
    return tail, rows.filter(~col("old"))


def lag(name: str, back: int) -> pl.Expr:
    """The value some rows earlier in the same history."""
    return pl.when(col("history") == col("history").shift(back)).then(col(name).shift(back))


def rank() -> pl.Expr:
    """1 at the beginning of a history; the rows of the tail know theirs."""
    first = pl.when("begins").then(col("place")).forward_fill().cast(pl.Int64)
    known = pl.when("begins").then(col("rank").fill_null(1)).forward_fill()
    return (known + col("place").cast(pl.Int64) - first).alias("rank")


def lagged(name: str) -> list[pl.Expr]:
    """Value before, mean and deviation of the last six that are known."""
    six = [col(name), *(lag(name, back) for back in range(1, BEFORE + 1))]
    count, mean = pl.sum_horizontal(one.is_not_null() for one in six), pl.mean_horizontal(*six)
    squares = pl.sum_horizontal((one - mean) ** 2 for one in six)
    deviation = pl.when(count > 1).then((squares / (count.cast(pl.Float64) - 1)).sqrt())
    return [six[1].alias(f"{name}_before"), mean.alias(f"{name}_mean"), deviation.alias(f"{name}_std")]


def kept_or(name: str, made: pl.Expr) -> pl.Expr:
    """What the tail kept of a row, or what is computed of a new one."""
    return pl.when("old").then(col(name)).otherwise(made).alias(name)


def phase() -> pl.Expr:
    altitude = col("altitude_meters")
    rate = pl.coalesce("vertical_rate", (altitude - col("altitude_meters_before")) / (col("at") - col("previous")))
    return (
        pl.when(col("on_ground").fill_null(False)).then(GROUND)
        .when((rate > TAKEOFF_RATE) & (altitude < TAKEOFF_CEILING)).then(TAKEOFF)
        .when(rate > CLIMB_RATE).then(CLIMB)
        .when((rate.abs() <= CLIMB_RATE) & (altitude > CRUISE_FLOOR)).then(CRUISE)
        .when(rate < -CLIMB_RATE).then(DESCENT)
        .otherwise(TRANSITION)
    ).cast(pl.Int32)  # fmt: skip


def bits() -> pl.Expr:
    """Reasons of an anomaly as bits in the order of `REASONS`."""
    found = {
        "altitude_high": col("altitude_meters") > EXPERT.altitude_high,
        "altitude_low": col("altitude_meters") < EXPERT.altitude_low,
        "speed_high": col("velocity_kmh") > EXPERT.speed_high,
        "vertical_rate": col("vertical_rate").abs() > EXPERT.vertical_rate,
        "altitude_mismatch": (col("geo_altitude_meters") - col("altitude_meters")).abs() > EXPERT.altitude_mismatch,
        "emergency_squawk": col("emergency") & col("emergency_before"),
    }
    return pl.sum_horizontal(
        found[reason].fill_null(False).cast(pl.Int32) * (1 << place)
        for place, reason in enumerate(REASONS)
        if reason in found
    ).cast(pl.Int32)


def seen(name: str, holds: pl.Expr) -> pl.Expr:
    """When something held last in the same history, up to each row."""
    mark = pl.when("old").then(col(name)).otherwise(pl.when(holds).then("at")).fill_null(0)
    lifted = (mark + col("history") * LIFT).cum_max() - col("history") * LIFT
    return pl.when(lifted > 0).then(lifted).alias(name)


def flights(rows: pl.DataFrame) -> pl.DataFrame:
    """New rows as those of `flights_ml`."""
    reasons = pl.Series(
        [[one for place, one in enumerate(REASONS) if code >> place & 1] for code in range(1 << len(REASONS))]
    )
    made = {
        "event_timestamp": moment("at"),
        "icao24": hexadecimal(),
        "position_timestamp": moment("time_position"),
        "snapshot_timestamp": moment("time"),
        "ingest_timestamp": pl.from_epoch("kafka_ms", "ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
        "previous_timestamp": moment("previous"),
        "prev_altitude": col("altitude_meters_before"),
        "prev_velocity": col("velocity_kmh_before"),
        "altitude_change": col("altitude_meters") - col("altitude_meters_before"),
        "velocity_change": col("velocity_kmh") - col("velocity_kmh_before"),
        "observation_rank": col("rank"),
        "rolling_avg_altitude": col("altitude_meters_mean"),
        "rolling_std_altitude": col("altitude_meters_std"),
        "rolling_avg_velocity": col("velocity_kmh_mean"),
        "flight_phase": pl.lit(pl.Series(PHASES)).gather(col("phase")),
        "previous_phase_timestamp": moment("previous_phase"),
        "anomalies": pl.lit(reasons).gather(col("bits")),
        "previous_anomaly_timestamp": moment("previous_odd"),
        "date": moment("at").dt.date(),
    }
    return rows.select(made.get(name, col(name)).alias(name) for name in FLIGHTS_ML.schema.names)


def hexadecimal() -> pl.Expr:
    """The address as text: its digits looked up, two bytes at a time."""
    pairs = pl.Series([f"{number:03x}" for number in range(4096)])
    return pl.concat_str(pl.lit(pairs).gather(col("address") // 4096), pl.lit(pairs).gather(col("address") % 4096))


def moment(seconds: str) -> pl.Expr:
    return pl.from_epoch(seconds, "s").dt.cast_time_unit("us").dt.replace_time_zone("UTC")


# Gold: what a batch adds to each open window, then the windows that it changed.


def phases_of(rows: pl.DataFrame) -> pl.DataFrame:
    """What new rows add to each minute and phase."""
    minute = col("at") // MINUTE
    first = (col("previous_phase") // MINUTE < minute).fill_null(True)
    return rows.group_by(minute.alias("minute"), "phase").agg(*counted(), first.sum().cast(pl.Int64).alias("aircraft"))


def countries_of(rows: pl.DataFrame) -> pl.DataFrame:
    """What new rows add to each window of five minutes and country.

    Each row is grouped once, by its minute; a window takes five of those groups. How many windows back an aircraft was there already is in the group.
    """
    minute, odd = col("at") // MINUTE, col("bits") != 0
    away = (minute - col("previous") // MINUTE).fill_null(WINDOW_MINUTES)
    odd_away = (minute - col("previous_odd") // MINUTE).fill_null(WINDOW_MINUTES)
    firsts = [
        ((away > back).sum().alias(f"aircraft_{back}"), (odd & (odd_away > back)).sum().alias(f"odd_{back}"))
        for back in range(WINDOW_MINUTES)
    ]
    groups = rows.group_by(minute.alias("minute"), "origin_country").agg(
        *counted(),
        *((col("bits") // (1 << place) % 2).sum().cast(pl.Int64).alias(reason) for place, reason in enumerate(REASONS)),
        *(one.alias(f"{name}_{part}") for name in ("altitude_meters", "velocity_kmh") for part, one in spread(name)),
        *(one for pair in firsts for one in pair),
    )
    inner = [name for name in groups.columns if not name.startswith(("aircraft_", "odd_", "minute"))]
    return together(
        pl.concat(
            groups.select(
                (col("minute") - back).alias("minute"),
                *inner,
                col(f"aircraft_{back}").cast(pl.Int64).alias("aircraft"),
                col(f"odd_{back}").cast(pl.Int64).alias("anomalous_aircraft"),
            )
            for back in range(WINDOW_MINUTES)
        ),
        ("minute", "origin_country"),
    )


def counted() -> list[pl.Expr]:
    return [
        pl.len().cast(pl.Int64).alias("observations"),
        col("time").min().alias("first_snapshot_min"),
        *(
            one
            for name in ("altitude_meters", "velocity_kmh")
            for one in (whole(name).sum().alias(f"{name}_sum"), col(name).count().cast(pl.Int64).alias(f"{name}_count"))
        ),
    ]


def spread(name: str) -> Iterable[tuple[str, pl.Expr]]:
    yield from (
        ("min", col(name).min()),
        ("max", col(name).max()),
        ("squares", (whole(name).cast(pl.Int128) * whole(name)).sum()),
    )


def whole(name: str) -> pl.Expr:
    """A quantity in whole thousandths: adding those is exact."""
    return (col(name) * 1000).round().cast(pl.Int64)


def together(parts: pl.DataFrame, keys: tuple[str, str]) -> pl.DataFrame:
    """Parts of the same windows as one."""
    how = {"_min": pl.Expr.min, "_max": pl.Expr.max}
    return parts.group_by(*keys).agg(
        how.get(name[-4:], pl.Expr.sum)(col(name)) for name in parts.columns if name not in keys
    )


def examples_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Each anomalous aircraft at its first anomalous row in each window, with the gravest reason."""
    odd = rows.filter(col("bits") != 0)
    odd = pl.concat(odd.with_columns(pl.lit(back).alias("back")) for back in range(WINDOW_MINUTES))
    start = col("at") // MINUTE - col("back")
    odd = odd.filter((col("previous_odd") // MINUTE < start).fill_null(True))
    values = {
        "altitude_high": col("altitude_meters"),
        "altitude_low": col("altitude_meters"),
        "speed_high": col("velocity_kmh"),
        "vertical_rate": col("vertical_rate"),
        "altitude_mismatch": col("geo_altitude_meters") - col("altitude_meters"),
        "emergency_squawk": col("squawk").cast(pl.Float64),
    }
    gravest = [
        (reason, col("bits") >= (1 << place)) for place, reason in reversed([*enumerate(REASONS)]) if reason in values
    ]
    return odd.select(
        start.alias("minute"),
        "origin_country",
        hexadecimal().alias("icao24"),
        "callsign",
        pl.coalesce(pl.when(holds).then(pl.lit(reason)) for reason, holds in gravest).alias("reason"),
        pl.coalesce(
            pl.when(holds).then(pl.struct(values[reason].alias("value"))) for reason, holds in gravest
        ).struct.field("value"),
        pl.coalesce(
            pl.when(holds).then(pl.struct(pl.lit(EXPERT.of(reason), pl.Float64).alias("limit")))
            for reason, holds in gravest
        ).struct.field("limit"),
    )


class Windows:
    """The open windows of one Gold table, and the table."""

    def __init__(self, table: DeltaTable, schema: pa.Schema, keys: tuple[str, str]) -> None:
        self.table, self.schema, self.keys = table, schema, keys
        self.open: pl.DataFrame | None = None

    def add(self, parts: pl.DataFrame) -> pl.DataFrame:
        """Take what a batch adds; returns the windows that it changed."""
        self.open = (
            parts if self.open is None else together(pl.concat([self.open, parts.select(self.open.columns)]), self.keys)
        )
        self.open = self.open.filter(col("minute") >= col("minute").max() - KEPT_SECONDS // MINUTE)
        return self.open.join(parts, on=self.keys, how="semi")

    def write(self, rows: pl.DataFrame, minutes: int, key: str) -> None:
        """Merge changed windows into the table."""
        now = pl.lit(None, pl.Datetime("us", "UTC"))
        start = pl.from_epoch(col("minute") * MINUTE, "s").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
        rows = rows.with_columns(
            start.alias("window_start"),
            (start + pl.duration(minutes=minutes)).alias("window_end"),
            moment("first_snapshot_min").alias("first_snapshot_timestamp"),
            now.alias("created_at"),
            now.alias("updated_at"),
            start.dt.date().alias("date"),
        )
        update = rows.select(self.schema.names).to_arrow().cast(self.schema)
        if len(update):
            same = " AND ".join(f"old.{name} = new.{name}" for name in ("date", "window_start", key))
            merger = self.table.merge(update, predicate=same, source_alias="new", target_alias="old")
            merger.when_matched_update_all().when_not_matched_insert_all().execute()


def mean(name: str) -> pl.Expr:
    return pl.when(col(f"{name}_count") > 0).then(col(f"{name}_sum") / (col(f"{name}_count") * 1000.0))


def deviation(name: str) -> pl.Expr:
    count, total = (col(f"{name}_{part}").cast(pl.Int128) for part in ("count", "sum"))
    apart = (count * col(f"{name}_squares") - total * total).cast(pl.Float64)
    return pl.when(count > 1).then((apart / (count * (count - 1)).cast(pl.Float64)).sqrt() / 1000)


class Loop:
    """Everything that is kept between two pieces."""

    def __init__(self, lake: Lake) -> None:
        list(lake.create())
        self.lake = lake
        self.tail = pl.DataFrame(
            schema=dict.fromkeys(("rank", *(f"in_{code}" for code in range(6)), "odd"), pl.Int64)
            | {"phase": pl.Int32, "bits": pl.Int32}
        )
        self.phases = Windows(lake.open(FLIGHT_PHASE_COUNTS), FLIGHT_PHASE_COUNTS.schema, ("minute", "phase"))
        self.countries = Windows(lake.open(ANOMALY_ALERTS), ANOMALY_ALERTS.schema, ("minute", "origin_country"))
        self.examples: list[pl.DataFrame] = []

    def take(self, taken: Messages, topic: str) -> None:
        """Bring one piece of messages into all tables."""
        self.append(BRONZE, bronze(taken, topic))
        self.tail, rows = advance(self.tail, observations(taken))
        self.append(FLIGHTS_ML, flights(rows).to_arrow())
        changed = self.phases.add(phases_of(rows)).with_columns(
            pl.lit(pl.Series(PHASES)).gather(col("phase")).alias("flight_phase"),
            mean("altitude_meters").alias("avg_altitude_meters"),
            mean("velocity_kmh").alias("avg_velocity_kmh"),
        )
        self.phases.write(renamed(changed), 1, "flight_phase")
        self.countries.write(renamed(self.alerts(rows)), WINDOW_MINUTES, "origin_country")

    def alerts(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The changed windows of countries as rows of `anomaly_alerts`."""
        changed = self.countries.add(countries_of(rows))
        found = pl.concat([*self.examples, examples_of(rows)])
        self.examples = [found.filter(col("minute") >= col("minute").max() - KEPT_SECONDS // MINUTE)]
        shown = found.sort(col("reason") != "emergency_squawk", "icao24").group_by(
            "minute", "origin_country", maintain_order=True
        )
        example = pl.struct("icao24", "callsign", "reason", "value", "limit")
        changed = changed.join(
            shown.agg(example.head(EXAMPLES).alias("examples")), on=["minute", "origin_country"], how="left"
        )
        unchecked = [reason for reason in REASONS if not EXPERT.checks(reason)]
        return changed.with_columns(
            (col("anomalous_aircraft") / col("aircraft")).alias("anomaly_rate"),
            *(
                (pl.lit(None, pl.Int64) if reason in unchecked else col(reason)).alias(f"{reason}_count")
                for reason in REASONS
            ),
            *(
                how(name).alias(f"{short}_{name}")
                for short, how in (("avg", mean), ("stddev", deviation))
                for name in ("altitude_meters", "velocity_kmh")
            ),
            *(
                col(f"{name}_{bound}").alias(f"{bound}_{name}")
                for bound in ("min", "max")
                for name in ("altitude_meters", "velocity_kmh")
            ),
            col("examples").fill_null([]),
        )

    def append(self, table: Table, rows: pa.Table) -> None:
        write_deltalake(self.lake.path(table), rows.select(table.schema.names).cast(table.schema), mode="append")


def renamed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.rename({"altitude_meters_count": "altitude_count", "velocity_kmh_count": "velocity_count"})


def bronze(taken: Messages, topic: str) -> pa.Table:
    """The messages as rows of `bronze`."""
    at = pa.array(taken.timestamp, pa.int64()).cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC"))
    columns = {
        "key": pa.array(taken.keys, pa.binary()),
        "value": pa.array(taken.values, pa.binary()),
        "topic": pa.repeat(topic, len(taken.values)),
        "partition": pa.array(taken.partition, pa.int32()),
        "offset": pa.array(taken.offset),
        "kafka_timestamp": at,
        "ingest_date": at.cast(pa.date32()),
    }
    return pa.table(columns)


def main(servers: str, topic: str, lake: str, most: str) -> None:
    """Take the whole topic, `most` messages at a time."""
    loop = Loop(Lake(lake))
    for taken in pieces(servers, topic, int(most)):
        loop.take(taken, topic)


if __name__ == "__main__":
    main(*sys.argv[1:])
