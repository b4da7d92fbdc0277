"""The SQL explorations: Spark and DataFusion give the same rows, and those are what one counts in loops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from explore import on_spark
from explore.queries import QUERIES, answered, csv, heading
from pipeline.serving import Reader
from pipeline.tables import FLIGHTS_ML, Lake, lake_of
from tests.by_pandas import EXPECTED
from tests.test_sample import NOON, reports

HOUR = timedelta(hours=1)
ROWS = 3_000


def flights() -> pd.DataFrame:
    """An hour of forty aircraft; values are missing here and there, and a country has a quote in its name."""
    chance, table = np.random.default_rng(5), reports(ROWS).to_pandas()
    table["altitude_meters"] = np.where(np.arange(ROWS) % 10, chance.uniform(-200, 12_000, ROWS), np.nan)
    table["velocity_kmh"] = np.where(np.arange(ROWS) % 13, chance.uniform(100, 1_000, ROWS), np.nan)
    table["on_ground"] = [None if one % 50 == 0 else one % 7 == 0 for one in range(ROWS)]
    table["anomalies"] = [["speed_high"] if one % 31 == 0 else [] for one in range(ROWS)]
    table.loc[table["icao24"] == "000005", "origin_country"] = ""
    return table


@pytest.fixture
def lake(small_lake: Lake) -> Lake:
    rows = pa.Table.from_pandas(flights(), FLIGHTS_ML.schema, preserve_index=False)
    write_deltalake(small_lake.path(FLIGHTS_ML), rows, mode="append")
    return small_lake


@pytest.mark.parametrize(
    ("countries", "phases"), [((), ()), (("Cote d'Ivoire", "Japan"), ()), (("Germany",), ("CRUISE", "GROUND"))]
)
def test_spark_and_datafusion_give_the_same_rows(spark, lake, countries, phases):
    span = (NOON + timedelta(minutes=5), NOON + HOUR)
    version = Reader(lake).refresh(FLIGHTS_ML)
    on_spark.prepare(spark, lake, version, *span, countries, phases)
    for name in QUERIES:
        found = answered(Reader(lake), name, *span, countries, phases)
        assert len(found.rows)
        pd.testing.assert_frame_equal(on_spark.answered(spark, name), found.rows, rtol=1e-9, obj=name)


@pytest.fixture(params=["made", "simulated", "recorded"])
def silver(request: pytest.FixtureRequest) -> Lake:
    """Silver as written by hand, by the streams from a simulated hour, and from recorded flights."""
    if request.param == "made":
        return request.getfixturevalue("lake")
    return lake_of(request.getfixturevalue("flown" if request.param == "simulated" else "recorded_flights"))


def test_both_engines_give_what_loops_over_the_rows_give(spark, silver: Lake):
    reader = Reader(silver)
    rows, version = reader.frame(FLIGHTS_ML, "*"), reader.refresh(FLIGHTS_ML)
    span = (rows["event_timestamp"].min(), rows["event_timestamp"].max() + timedelta(seconds=1))
    on_spark.prepare(spark, silver, version, *span)
    for name, expected in EXPECTED.items():
        wanted = expected(rows)
        assert len(wanted)
        for found in (answered(reader, name, *span).rows, on_spark.answered(spark, name)):
            pd.testing.assert_frame_equal(found, wanted[list(found)], check_dtype=False, rtol=1e-9, obj=name)


def test_every_exploration_is_computed_once_more_here():
    assert list(EXPECTED) == list(QUERIES)


def test_a_heading_has_its_unit_and_a_file_leaves_missing_values_empty():
    assert heading("mean_speed_kmh") == "Mean speed, km/h"
    assert heading("aircraft") == "Aircraft"
    at = pd.Series([datetime(2026, 1, 1, tzinfo=UTC)])
    assert csv(pd.DataFrame({"at": at, "a": [np.nan], "b": [None]})).splitlines()[1] == "2026-01-01T00:00:00Z,,"
