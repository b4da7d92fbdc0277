"""The tables of the lake: where each one is, its columns with types, units and meanings, and how to open it without Spark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from pipeline.errors import LakeError
from pipeline.retention import KEPT, days
from pipeline.s3_access import Access, access_of
from pipeline.s3_answers import check_readable
from pipeline.settings import Settings

PHASES = ("GROUND", "TAKEOFF", "CLIMB", "CRUISE", "DESCENT", "TRANSITION")
AIRBORNE = PHASES[1:]

REASONS = (
    "altitude_high",
    "altitude_low",
    "speed_high",
    "speed_low",
    "vertical_rate",
    "altitude_mismatch",
    "emergency_squawk",
)

STRING, BINARY, LONG, INT, DOUBLE = pa.string(), pa.binary(), pa.int64(), pa.int32(), pa.float64()
BOOLEAN, TIMESTAMP, DATE = pa.bool_(), pa.timestamp("us", tz="UTC"), pa.date32()
EXAMPLE = pa.struct(
    [("icao24", STRING), ("callsign", STRING), ("reason", STRING), ("value", DOUBLE), ("limit", DOUBLE)]
)


@dataclass(frozen=True)
class Column:
    """One column: `unit` is empty where a figure has none."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """One Delta table, with its path below the lake's root; partitioned by its last column."""

    name: str
    path: str
    columns: tuple[Column, ...]
    indexed: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """The columns as an Arrow schema, all of them nullable."""
        return pa.schema([(column.name, column.type) for column in self.columns])

    @property
    def partition(self) -> str:
        """The column by which the table is partitioned."""
        return self.columns[-1].name


BRONZE = Table(
    "bronze",
    "bronze/opensky",
    (
        Column("key", BINARY, "", "the message's key: icao24 as sent"),
        Column("value", BINARY, "", "the message's bytes, never parsed"),
        Column("topic", STRING, "", "Kafka topic"),
        Column("partition", INT, "", "Kafka partition"),
        Column("offset", LONG, "", "Kafka offset in that partition"),
        Column("kafka_timestamp", TIMESTAMP, "UTC", "when the producer sent the message"),
        Column("ingest_date", DATE, "UTC", "date of kafka_timestamp"),
    ),
    indexed=("partition", "offset"),
)

FLIGHTS_ML = Table(
    "flights_ml",
    "silver/flights_ml",
    (
        Column("event_timestamp", TIMESTAMP, "UTC", "last contact with the aircraft: the event time"),
        Column("icao24", STRING, "", "the transponder's 24-bit address, six lower-case hex digits"),
        Column("callsign", STRING, "", "callsign without padding; missing when blank"),
        Column("origin_country", STRING, "", "country of registration (of the address block), not of departure"),
        Column("longitude", DOUBLE, "deg", "WGS-84 longitude"),
        Column("latitude", DOUBLE, "deg", "WGS-84 latitude"),
        Column("velocity_kmh", DOUBLE, "km/h", "speed over ground"),
        Column("altitude_meters", DOUBLE, "m", "barometric altitude"),
        Column("geo_altitude_meters", DOUBLE, "m", "geometric altitude"),
        Column("vertical_rate", DOUBLE, "m/s", "reported vertical rate, up is positive"),
        Column("true_track", DOUBLE, "deg", "direction over ground, clockwise from true north"),
        Column("on_ground", BOOLEAN, "", "whether the report is a surface position"),
        Column("squawk", STRING, "", "transponder code, four octal digits"),
        Column("category", INT, "", "OpenSky's aircraft category, with extended=1"),
        Column("position_timestamp", TIMESTAMP, "UTC", "time of the position"),
        Column("snapshot_timestamp", TIMESTAMP, "UTC", "time of the answer that carried the report"),
        Column("ingest_timestamp", TIMESTAMP, "UTC", "when the message entered Kafka"),
        Column("previous_timestamp", TIMESTAMP, "UTC", "event time of this aircraft's previous observation"),
        Column("prev_altitude", DOUBLE, "m", "barometric altitude at the previous observation"),
        Column("prev_velocity", DOUBLE, "km/h", "speed at the previous observation"),
        Column("altitude_change", DOUBLE, "m", "altitude_meters - prev_altitude"),
        Column("velocity_change", DOUBLE, "km/h", "velocity_kmh - prev_velocity"),
        Column("observation_rank", LONG, "", "1 for the first observation of a history, counting on"),
        Column("rolling_avg_altitude", DOUBLE, "m", "mean altitude of this and up to five observations before"),
        Column("rolling_std_altitude", DOUBLE, "m", "standard deviation (n-1) of the same altitudes"),
        Column("rolling_avg_velocity", DOUBLE, "km/h", "mean speed of this and up to five observations before"),
        Column("flight_phase", STRING, "", "one of " + ", ".join(PHASES)),
        Column("previous_phase_timestamp", TIMESTAMP, "UTC", "when this aircraft was last in this phase before"),
        Column("anomalies", pa.list_(STRING), "", "reasons, in this order: " + ", ".join(REASONS)),
        Column("previous_anomaly_timestamp", TIMESTAMP, "UTC", "when this aircraft was last anomalous before"),
        Column("date", DATE, "UTC", "date of event_timestamp"),
    ),
    indexed=("event_timestamp", "icao24"),
)

QUARANTINE = Table(
    "quarantine",
    "silver/quarantine",
    (
        Column("value", BINARY, "", "the message's bytes"),
        Column("reason", STRING, "", "why it is no observation"),
        Column("topic", STRING, "", "Kafka topic"),
        Column("partition", INT, "", "Kafka partition"),
        Column("offset", LONG, "", "Kafka offset in that partition"),
        Column("kafka_timestamp", TIMESTAMP, "UTC", "when the producer sent the message"),
        Column("ingest_date", DATE, "UTC", "date of kafka_timestamp"),
    ),
    indexed=("partition", "offset"),
)

WINDOW = (
    Column("window_start", TIMESTAMP, "UTC", "first moment of the window"),
    Column("window_end", TIMESTAMP, "UTC", "first moment after the window"),
)
UPDATED = (
    Column("first_snapshot_timestamp", TIMESTAMP, "UTC", "time of the first answer that reported from this window"),
    Column("created_at", TIMESTAMP, "UTC", "when this row was first written"),
    Column("updated_at", TIMESTAMP, "UTC", "when this row was last written"),
    Column("date", DATE, "UTC", "date of window_start"),
)

FLIGHT_PHASE_COUNTS = Table(
    "flight_phase_counts",
    "gold/streaming_aggregations/flight_phase_counts",
    (
        *WINDOW,
        Column("flight_phase", STRING, "", "one of " + ", ".join(PHASES)),
        Column("observations", LONG, "", "rows of Silver in this window and phase"),
        Column("aircraft", LONG, "", "distinct aircraft in this window and phase, exact"),
        Column("avg_altitude_meters", DOUBLE, "m", "mean barometric altitude; missing when no observation has one"),
        Column("altitude_count", LONG, "", "observations behind avg_altitude_meters"),
        Column("avg_velocity_kmh", DOUBLE, "km/h", "mean speed; missing when no observation has one"),
        Column("velocity_count", LONG, "", "observations behind avg_velocity_kmh"),
        *UPDATED,
    ),
    indexed=("window_start", "window_end"),
)

ANOMALY_ALERTS = Table(
    "anomaly_alerts",
    "gold/streaming_aggregations/anomaly_alerts",
    (
        *WINDOW,
        Column("origin_country", STRING, "", "country of registration; empty outside known blocks"),
        Column("observations", LONG, "", "rows of Silver in this window and country"),
        Column("aircraft", LONG, "", "distinct aircraft, exact"),
        Column("anomalous_aircraft", LONG, "", "distinct aircraft with at least one anomaly, exact"),
        Column("anomaly_rate", DOUBLE, "", "anomalous_aircraft / aircraft, 0 to 1"),
        *(
            Column(
                f"{reason}_count", LONG, "", f"observations with {reason}; missing when these limits do not check it"
            )
            for reason in REASONS
        ),
        Column("min_altitude_meters", DOUBLE, "m", "lowest barometric altitude"),
        Column("max_altitude_meters", DOUBLE, "m", "highest barometric altitude"),
        Column("avg_altitude_meters", DOUBLE, "m", "mean barometric altitude"),
        Column("stddev_altitude_meters", DOUBLE, "m", "standard deviation (n-1); missing under two values"),
        Column("altitude_count", LONG, "", "observations behind the altitude figures"),
        Column("min_velocity_kmh", DOUBLE, "km/h", "lowest speed"),
        Column("max_velocity_kmh", DOUBLE, "km/h", "highest speed"),
        Column("avg_velocity_kmh", DOUBLE, "km/h", "mean speed"),
        Column("stddev_velocity_kmh", DOUBLE, "km/h", "standard deviation (n-1); missing under two values"),
        Column("velocity_count", LONG, "", "observations behind the speed figures"),
        Column(
            "examples", pa.list_(EXAMPLE), "", "up to five anomalous aircraft: icao24, callsign, reason, value, limit"
        ),
        *UPDATED,
    ),
    indexed=("window_start", "window_end"),
)

PREDICTED = (
    Column("event_timestamp", TIMESTAMP, "UTC", "event time of the observation in Silver"),
    Column("icao24", STRING, "", "the transponder's address"),
    Column("origin_country", STRING, "", "country of registration"),
    Column("flight_phase", STRING, "", "the phase by the rule: one of " + ", ".join(PHASES)),
    Column("predicted_phase", STRING, "", "the phase by the model, one of the same"),
    Column("probability", DOUBLE, "", "the model's probability of predicted_phase, 0 to 1"),
    Column("model", STRING, "", "the model, named by when its training began, UTC"),
    Column("unseen", BOOLEAN, "", "whether the observation is later than all that the model learned from"),
    Column("date", DATE, "UTC", "date of event_timestamp"),
)

HELD_OUT_PREDICTIONS = Table(
    "held_out_predictions", "gold/predictions/flight_phase", PREDICTED, indexed=("event_timestamp", "icao24")
)

PHASE_PREDICTIONS = Table(
    "phase_predictions", "gold/predictions/flight_phase_live", PREDICTED, indexed=("event_timestamp", "icao24")
)

TABLES = (
    BRONZE,
    FLIGHTS_ML,
    QUARANTINE,
    FLIGHT_PHASE_COUNTS,
    ANOMALY_ALERTS,
    HELD_OUT_PREDICTIONS,
    PHASE_PREDICTIONS,
)

# One file of a table may be read by Spark and by delta-rs: nothing is switched on that either of them lacks.
PROPERTIES = {
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": f"interval {days(KEPT)} days",
    "delta.deletedFileRetentionDuration": f"interval {days(KEPT)} days",
}


@dataclass(frozen=True)
class Lake:
    """Where the tables are, and the way to them; `root` is a folder or an `s3a://` address, which needs `access`."""

    root: str
    access: Access | None = None

    @property
    def storage_options(self) -> dict[str, str]:
        """What delta-rs has to know to open the tables."""
        return self.access.delta() if self.access else {}

    def path(self, table: Table) -> str:
        """The table's address as Spark wants it."""
        return f"{self.root}/{table.path}"

    def checkpoint(self, stream: str, generation: int = 0) -> str:
        """Where a stream keeps its checkpoint; one that has begun anew has another generation (`resets`)."""
        return f"{self.root}/checkpoints/{stream}" + (f".{generation}" if generation else "")

    def ops(self, name: str) -> str:
        """The address of a small state file that any reader may open."""
        return f"{self.root}/ops/{name}"

    @property
    def on_s3(self) -> bool:
        """Whether the lake is on S3."""
        return self.root.startswith("s3a://")

    def open(self, table: Table, version: int | None = None) -> DeltaTable:
        """The table, without Spark; LakeError when there is none."""
        try:
            return DeltaTable(self.uri(table), version=version, storage_options=self.storage_options)
        except TableNotFoundError:
            self.check_readable()  # delta-rs says the same of a bucket that is not there
            raise LakeError(f"There is no table {table.name} at {self.path(table)}: start the pipeline once.") from None
        except (DeltaError, OSError) as error:
            self.check_readable()
            raise LakeError(
                f"The table {table.name} at {self.path(table)} cannot be read: {_first_line(error)}"
            ) from error

    def exists(self, table: Table) -> bool:
        """Whether the table has been made. Raises LakeError when that cannot be told."""
        try:
            return bool(DeltaTable.is_deltatable(self.uri(table), storage_options=self.storage_options))
        except (DeltaError, OSError) as error:
            self.check_readable()
            raise LakeError(f"The lake {self.root} cannot be read: {error}") from error

    def log(self, table: Table) -> Path:
        """The folder of a table's log, of a lake on a disk."""
        return Path(self.path(table), "_delta_log")

    def is_newest(self, table: Table, version: int) -> bool:
        """Whether a version is known to be the table's newest: on a disk names tell, where a listing takes the longer the older a log is.

        On S3, which lists from a name on, that is not known. Where a damaged entry was set aside, its checkpoint may be there.
        """
        if self.on_s3:
            return False
        log = self.log(table)
        following = (f"{version + 1:020}.{kind}" for kind in ("json", "checkpoint.parquet"))
        return (log / f"{version:020}.json").exists() and not any((log / name).exists() for name in following)

    def check_readable(self) -> None:
        """Raises LakeError with the cause and the cure when S3 cannot be read; a lake on a disk says it by its files."""
        if self.access is not None:
            check_readable(self.root, self.access)

    def create(self) -> Iterator[Table]:
        """Make the tables that are missing, empty, so that readers and streams find them; yields those made.

        One that was made with other properties gets the present ones. So no stream may run meanwhile.
        """
        for table in TABLES:
            if self.exists(table):
                self._set_properties(table)
            else:
                indexed = {"delta.dataSkippingStatsColumns": ",".join(table.indexed)}
                DeltaTable.create(
                    self.uri(table),
                    schema=table.schema,
                    partition_by=[table.partition],
                    configuration=PROPERTIES | indexed,
                    storage_options=self.storage_options,
                )
                yield table

    def _set_properties(self, table: Table) -> None:
        try:
            opened = self.open(table)
        except LakeError:
            self.check_readable()
            return  # damaged: the streams that need it say so, and the others go on
        if PROPERTIES.items() - opened.metadata().configuration.items():
            opened.alter.set_table_properties(PROPERTIES)

    def uri(self, table: Table) -> str:
        """The table's address as delta-rs wants it."""
        return self.path(table).replace("s3a://", "s3://", 1)


def _first_line(error: Exception) -> str:
    """What an error says before the places in a library's code."""
    return (str(error).splitlines() or [""])[0]


def lake_of(settings: Settings) -> Lake:
    """The lake that the settings name."""
    return Lake(settings.lake_root, access_of(settings) if settings.on_s3 else None)
