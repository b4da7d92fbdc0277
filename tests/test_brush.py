"""Which rows are brushed, and how many of each phase are in each bin: against loops over the rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from explore.brush import BINS, MEASURES, Brushed, Brushes, bins, edges
from pipeline.tables import PHASES
from tests.small_lake import NOON

COUNT = 400


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    """An hour of reports; values, places and phases are missing here and there."""
    chance, number = np.random.default_rng(2), np.arange(COUNT)
    return pd.DataFrame(
        {
            "event_timestamp": pd.Timestamp(NOON) + pd.to_timedelta(9 * number, unit="s"),
            "altitude_meters": np.where(number % 9, chance.uniform(-100, 12_000, COUNT), np.nan),
            "velocity_kmh": np.where(number % 7, chance.uniform(0, 1_000, COUNT), np.nan),
            "flight_phase": [None if one % 11 == 0 else PHASES[one % 6] for one in number],
            "longitude": np.where(number % 5, chance.uniform(0, 100, COUNT), np.nan),
            "latitude": np.where(number % 5, chance.uniform(0, 50, COUNT), np.nan),
        }
    )


@pytest.fixture(scope="module")
def brushed(flights: pd.DataFrame) -> Brushed:
    return Brushed(flights)


def by_hand(flights: pd.DataFrame, brushes: Brushes) -> list[bool]:
    """Each row against each brush, one after the other."""
    told = []
    for row in flights.to_dict("records"):
        values = row | {"time_ms": row["event_timestamp"].timestamp() * 1000}
        kept = all(low <= values[name] <= high for name, (low, high) in brushes.bands)
        if brushes.area is not None:
            west, south, east, north = brushes.area
            kept = kept and west <= row["longitude"] <= east and south <= row["latitude"] <= north
        told.append(kept)
    return told


ALTITUDES = Brushes().with_band("altitude_meters", (2_000, 9_000))
LATER = ALTITUDES.with_band("time_ms", (NOON.timestamp() * 1000 + 900_000, NOON.timestamp() * 1000 + 1_800_000))


@pytest.mark.parametrize(
    "brushes",
    [ALTITUDES, LATER, Brushes().with_area((20, 10, 60, 40)), LATER.with_area((20, 10, 60, 40))],
    ids=["one band", "two bands", "an area", "bands and an area"],
)
def test_a_row_is_chosen_when_it_lies_in_all_that_is_brushed(flights, brushed, brushes):
    found = brushed.chosen(brushes)
    assert found.tolist() == by_hand(flights, brushes)
    assert 0 < found.sum() < COUNT


def test_without_a_brush_all_rows_are_chosen_those_that_lack_values_too(brushed):
    assert brushed.chosen(Brushes()).all()
    assert not Brushes()
    assert ALTITUDES


def test_both_ends_of_a_band_belong_to_it(flights, brushed):
    low, high = sorted(flights["altitude_meters"].dropna())[10:12]
    assert brushed.chosen(Brushes().with_band("altitude_meters", (low, high))).sum() == 2


def test_a_new_band_of_a_measure_takes_the_place_of_its_old_one_and_leaves_the_rest():
    changed = LATER.with_area((0, 0, 1, 1)).with_band("altitude_meters", (0, 10))
    assert dict(changed.bands) == {"altitude_meters": (0, 10), "time_ms": dict(LATER.bands)["time_ms"]}
    assert changed.area == (0, 0, 1, 1)
    assert LATER.area is None


@pytest.mark.parametrize("measure", MEASURES)
def test_bins_count_each_chosen_row_that_has_the_value_in_its_phase(flights, brushed, measure):
    mask = brushed.chosen(ALTITUDES)
    ends, found = brushed.edges[measure], brushed.counts(measure, mask)
    values = flights.assign(time_ms=flights["event_timestamp"].map(lambda at: at.timestamp() * 1000))[measure]
    expected: Counter[tuple[int, int]] = Counter()
    for value, phase, kept in zip(values, flights["flight_phase"], mask, strict=True):
        if kept and not np.isnan(value):
            place = max(number for number in range(BINS) if ends[number] <= value)
            expected[place, PHASES.index(phase) if phase else len(PHASES)] += 1
    assert found.shape == (BINS, len(PHASES) + 1)
    assert {(row, column): found[row, column] for row, column in np.argwhere(found)} == dict(expected)


def test_the_greatest_value_is_in_the_last_bin_and_a_missing_one_in_none():
    values = np.array([0.0, 25.0, 50.0, np.nan])
    assert bins(values, edges(values)).tolist() == [0, BINS // 2, BINS - 1, -1]


@pytest.mark.parametrize("values", [[7.0, 7.0], [np.nan], []])
def test_one_value_or_none_makes_one_bin(values: list[float]):
    ends = edges(np.array(values, float))
    assert ends[1] - ends[0] == 1
    assert set(bins(np.array(values, float), ends)) <= {0, -1}


def test_a_sample_without_rows_is_brushed_without_a_crash(flights):
    empty = Brushed(flights.iloc[:0])
    assert empty.chosen(ALTITUDES).shape == (0,)
    assert empty.counts("altitude_meters", empty.chosen(Brushes())).tolist() == [[0] * (len(PHASES) + 1)]
