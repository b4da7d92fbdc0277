"""The sample of Silver: as many rows as there are, each as likely as any other, and the same ones again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from explore import sample
from explore.sample import COLUMNS, MOST, reach, taken
from pipeline.errors import LakeError
from pipeline.serving import Reader
from pipeline.tables import FLIGHTS_ML, PHASES, Lake

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNTRIES = ("Germany", "Cote d'Ivoire", "Japan")
AIRCRAFT = 40


def reports(count: int, since: datetime = NOON, span: timedelta = HOUR) -> pa.Table:
    """`count` reports of forty aircraft, evenly over a span of time; phase and country belong to the aircraft."""
    number = np.arange(count)
    at = pd.DatetimeIndex(since + span * (number / count)).floor("us")
    plane = number % AIRCRAFT
    columns = {name: pa.nulls(count, kind) for name, kind in zip(FLIGHTS_ML.schema.names, FLIGHTS_ML.schema.types)}  # noqa: B905
    columns |= {
        "event_timestamp": pa.array(at, pa.timestamp("us", "UTC")),
        "icao24": pa.array([f"{one:06x}" for one in plane]),
        "origin_country": pa.array([COUNTRIES[one % 3] for one in plane]),
        "flight_phase": pa.array([PHASES[one % 5] for one in plane]),
        "altitude_meters": pa.array(number.astype(float)),
        "date": pa.array(at.date),
    }
    return pa.table(columns, schema=FLIGHTS_ML.schema)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path))
    list(made.create())
    return made


@pytest.fixture
def reader(lake: Lake) -> Reader:
    """A table of 30,000 rows."""
    write_deltalake(lake.path(FLIGHTS_ML), reports(30_000), mode="append")
    return Reader(lake)


def test_a_sample_has_ten_thousand_rows_and_knows_of_how_many(reader: Reader):
    found = taken(reader, NOON, NOON + HOUR)
    assert (len(found.flights), found.of, found.version) == (MOST, 30_000, 1)
    assert not found.flights.duplicated(["icao24", "event_timestamp"]).any()
    assert found.flights["weight"].sum() == pytest.approx(30_000)
    assert found.flights["event_timestamp"].is_monotonic_increasing
    assert tuple(found.flights) == (*COLUMNS, "weight")


def test_the_same_seed_takes_the_same_rows_and_another_one_others(reader: Reader, lake: Lake):
    once, again = taken(reader, NOON, NOON + HOUR), taken(Reader(lake), NOON, NOON + HOUR)
    pd.testing.assert_frame_equal(once.flights, again.flights)
    other = taken(reader, NOON, NOON + HOUR, seed=8)
    both = set(once.flights["altitude_meters"]) & set(other.flights["altitude_meters"])
    assert len(both) == pytest.approx(MOST / 3, rel=0.1)


def test_how_the_table_is_cut_into_files_changes_nothing(lake: Lake, tmp_path: Path):
    cut = Lake(str(tmp_path / "cut"))
    list(cut.create())
    whole = reports(30_000)
    write_deltalake(lake.path(FLIGHTS_ML), whole, mode="append")
    for start in (20_000, 0, 10_000):
        write_deltalake(cut.path(FLIGHTS_ML), whole.slice(start, 10_000), mode="append")
    one, other = taken(Reader(lake), NOON, NOON + HOUR), taken(Reader(cut), NOON, NOON + HOUR)
    pd.testing.assert_frame_equal(one.flights, other.flights)


def test_every_row_is_as_likely_as_any_other(reader: Reader):
    """Parts of the population within five standard deviations: by minute, phase and aircraft."""
    flights = taken(reader, NOON, NOON + HOUR).flights
    by_minute = flights["event_timestamp"].dt.minute.value_counts()
    by_aircraft = flights["icao24"].value_counts()
    assert len(by_minute) == 60
    assert len(by_aircraft) == AIRCRAFT
    for counts in (by_minute, by_aircraft, flights["flight_phase"].value_counts()):
        share = 1 / len(counts)
        deviation = np.sqrt(MOST * share * (1 - share) * 2 / 3)
        assert (counts - MOST * share).abs().max() < 5 * deviation
    assert flights["altitude_meters"].mean() == pytest.approx(15_000, rel=0.03)


def test_few_rows_are_all_taken(lake: Lake):
    write_deltalake(lake.path(FLIGHTS_ML), reports(500), mode="append")
    found = taken(Reader(lake), NOON, NOON + HOUR)
    assert (len(found.flights), found.of) == (500, 500)
    assert set(found.flights["weight"]) == {1.0}


@pytest.mark.parametrize("most", [1, 7, 9_999])
def test_never_more_than_asked_for(reader: Reader, most: int):
    assert len(taken(reader, NOON, NOON + HOUR, most=most).flights) == most


def test_only_the_range_the_countries_and_the_phases_asked_for(reader: Reader):
    since, until = NOON + timedelta(minutes=10), NOON + timedelta(minutes=20)
    found = taken(reader, since, until, ["Cote d'Ivoire", "Japan"], ["CRUISE", "GROUND"])
    everything = reports(30_000).to_pandas()
    expected = everything[
        everything["event_timestamp"].between(since, until, inclusive="left")
        & everything["origin_country"].isin(["Cote d'Ivoire", "Japan"])
        & everything["flight_phase"].isin(["CRUISE", "GROUND"])
    ]
    assert found.of == len(expected)
    assert set(found.flights["altitude_meters"]) == set(expected["altitude_meters"])
    assert (found.since, found.until, found.phases) == (since, until, ("CRUISE", "GROUND"))
    assert set(found.present) == set(COUNTRIES)


def test_a_range_without_rows_is_an_empty_sample(reader: Reader):
    found = taken(reader, NOON - HOUR, NOON)
    assert (len(found.flights), found.of, found.present) == (0, 0, ())
    assert taken(reader, NOON, NOON + HOUR, ["Atlantis"]).of == 0


def test_a_lake_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(LakeError, match="start the pipeline"):
        taken(Reader(Lake(str(tmp_path / "nowhere"))), NOON, NOON + HOUR)


def test_the_reach_of_the_table_is_its_first_and_last_row(lake: Lake):
    assert reach(Reader(lake)) is None
    write_deltalake(lake.path(FLIGHTS_ML), reports(60), mode="append")
    assert reach(Reader(lake)) == (NOON, NOON + timedelta(minutes=59))


def test_the_hash_bound_keeps_enough_rows():
    """The bound leaves at least as many rows as wanted, five standard deviations beyond chance."""
    assert sample._lowest(MOST, MOST, 1) == ""
    bound = int(sample._lowest(1_000_000, MOST, 1).split("x'")[1][:8], 16) / sample.HASHES
    assert bound * 1_000_000 - 5 * np.sqrt(MOST) == pytest.approx(MOST, rel=1e-3)
