"""Each aircraft's history, computed without Spark: the same however the observations are cut into batches."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import history
from pipeline.anomalies import LIMITS
from pipeline.tables import PHASES, REASONS

EXPERT = LIMITS["expert"]
LEVEL: dict[str, Any] = {
    "address": 0x4B1814,
    "partition": 0,
    "time": 1_000,
    "altitude_meters": 10_000.0,
    "geo_altitude_meters": 10_050.0,
    "velocity_kmh": 800.0,
    "vertical_rate": 0.0,
    "on_ground": 0.0,
    "squawk": "1000",
}
FIGURES = {"altitude_meters": float, "geo_altitude_meters": float, "velocity_kmh": float, "vertical_rate": float}


def flights(*rows: dict[str, Any]) -> pd.DataFrame:
    """Observations in Kafka's order, each the level flight but for what is said."""
    made = pd.DataFrame([LEVEL | {"offset": offset} | row for offset, row in enumerate(rows)])
    return made.astype(FIGURES | {"on_ground": float, "squawk": object})


def told(*rows: dict[str, Any], batches: list[int] | None = None) -> pd.DataFrame:
    """History of observations that come in batches of so many rows (one batch when not said), in their order."""
    state, found, everything = history.NOBODY, [], flights(*rows)
    ends = np.cumsum(batches or [len(rows)])
    for begin, end in zip([0, *ends], ends, strict=False):
        state, new = history.advance(history.load(history.dump(state)), everything.iloc[begin:end], EXPERT)
        found.append(new)
    return pd.concat(found).sort_values("offset", ignore_index=True)


def at(*times: int, **same: Any) -> list[dict[str, Any]]:
    return [{"time": time} | same for time in times]


def phases(found: pd.DataFrame) -> list[str]:
    return [PHASES[int(code)] for code in found["phase"]]


def maybe(values: st.SearchStrategy[float]) -> st.SearchStrategy[float]:
    return st.just(float("nan")) | values


OBSERVATION = st.fixed_dictionaries(
    {
        "address": st.integers(1, 4),
        "step": st.sampled_from([-900, -15, -1, 0, 0, 1, 5, 15, 15, 15, 60, 450, 900, 901]),
        "altitude_meters": maybe(
            st.sampled_from([0.0, -400.0, 1_000.0, 2_999.9, 8_000.1, 14_000.0]) | st.floats(-500, 15_000)
        ),
        "geo_altitude_meters": maybe(st.floats(-500, 15_000)),
        "velocity_kmh": maybe(st.floats(0, 1_300)),
        "vertical_rate": maybe(st.floats(-40, 40)),
        "on_ground": maybe(st.sampled_from([0.0, 1.0])),
        "squawk": st.sampled_from([None, "1000", "7700", "7500"]),
    }
)
SKY = st.lists(st.tuples(OBSERVATION, st.booleans()), min_size=1, max_size=50)


@given(SKY)
@settings(max_examples=150, deadline=None)
def test_however_a_sky_is_cut_into_batches_its_history_is_the_same_bit_by_bit(sky):
    time, rows = 100_000, []
    for one, _ in sky:
        time += one["step"]
        rows.append({name: value for name, value in one.items() if name != "step"} | {"time": time})
    everything = flights(*rows)
    whole, at_once = history.advance(history.NOBODY, everything, EXPERT)
    state, pieces = history.NOBODY, []
    cuts = [0, *(place for place, (_, cut) in enumerate(sky) if cut and place), len(rows)]
    for begin, end in pairwise(cuts):
        batch = everything.iloc[begin:end].sample(frac=1, random_state=begin)  # rows of a batch come in any order
        state, piece = history.advance(history.load(history.dump(state)), batch, EXPERT)
        pieces.append(piece)
    together = pd.concat(pieces)
    for name in history.OUTPUTS:
        one, other = (found.sort_values("offset")[name].to_numpy(float).view(np.int64) for found in (at_once, together))
        assert (one == other).all(), name
    assert sorted(at_once["offset"]) == sorted(together["offset"])
    assert history.dump(state) == history.dump(whole)


def test_fifteen_minutes_of_silence_go_on_with_the_history():
    found = told(*at(1_000, 1_015, 1_915))
    assert list(found["observation_rank"]) == [1, 2, 3]
    assert found["previous_time"][2] == 1_015


@pytest.mark.parametrize("batches", [[3], [2, 1], [1, 1, 1]])
def test_a_gap_of_sixteen_minutes_starts_a_new_history(batches: list[int]):
    found = told(*at(1_000, 1_015, 1_975), batches=batches)
    assert list(found["observation_rank"]) == [1, 2, 1]
    forgotten = ["previous_time", "prev_altitude", "prev_velocity", "altitude_change", "velocity_change"]
    assert found.loc[2, [*forgotten, "previous_phase_time", "rolling_std_altitude"]].isna().all()
    assert found["rolling_avg_altitude"][2] == 10_000


def test_one_second_more_than_fifteen_minutes_is_silence():
    assert list(told(*at(1_000, 1_901))["observation_rank"]) == [1, 1]


@pytest.mark.parametrize("batches", [[4], [1, 3], [2, 2], [3, 1], [1, 1, 1, 1]])
def test_a_repeated_observation_is_dropped_wherever_a_batch_is_cut(batches: list[int]):
    found = told(*at(1_000, 1_000, 1_015, 1_015), batches=batches)
    assert list(found["offset"]) == [0, 2]


@pytest.mark.parametrize("batches", [[4], [1, 3], [2, 2], [3, 1], [1, 1, 1, 1]])
def test_an_observation_out_of_order_is_dropped_wherever_a_batch_is_cut(batches: list[int]):
    found = told(*at(1_000, 1_030, 1_015, 1_045), batches=batches)
    assert list(found["offset"]) == [0, 1, 3]
    assert found["previous_time"][2] == 1_030


def test_a_batch_of_repeats_alone_leaves_everything_as_it_was():
    state, _ = history.advance(history.NOBODY, flights(*at(1_000)), EXPERT)
    after, found = history.advance(state, flights(*at(1_000, 990)), EXPERT)
    assert found.empty
    assert set(history.OUTPUTS) <= set(found.columns)
    assert history.dump(after) == history.dump(state)


def test_aircraft_do_not_mix():
    found = told(
        {"address": 2, "time": 1_000, "altitude_meters": 500.0},
        {"address": 1, "time": 1_001, "altitude_meters": 9_000.0},
        {"address": 2, "time": 1_002, "altitude_meters": 600.0},
        {"address": 1, "time": 1_003, "altitude_meters": 9_100.0},
    )
    assert list(found["altitude_change"][2:]) == [100, 100]
    assert list(found["previous_time"][2:]) == [1_000, 1_001]


def test_changes_are_to_the_previous_observation_and_missing_where_either_lacks_a_figure():
    found = told(
        {"time": 1_000, "altitude_meters": 1_000.0, "velocity_kmh": 400.0},
        {"time": 1_010, "altitude_meters": 1_200.0, "velocity_kmh": None},
        {"time": 1_020, "altitude_meters": None, "velocity_kmh": 500.0},
    )
    assert list(found["prev_altitude"][1:]) == [1_000, 1_200]
    assert list(found["altitude_change"].isna()) == [True, False, True]
    assert found["altitude_change"][1] == 200
    assert found["velocity_change"].isna().all()


def test_rolling_figures_are_over_this_row_and_five_before():
    altitudes = [1_000.0, 1_100.0, 1_300.0, 1_200.0, 1_700.0, 1_900.0, 2_600.0]
    found = told(*({"time": 1_000 + n, "altitude_meters": height} for n, height in enumerate(altitudes)))
    assert found["rolling_avg_altitude"][5] == pytest.approx(statistics.mean(altitudes[:6]))
    assert found["rolling_avg_altitude"][6] == pytest.approx(statistics.mean(altitudes[1:]))
    assert found["rolling_std_altitude"][6] == pytest.approx(statistics.stdev(altitudes[1:]))


def test_rolling_figures_leave_what_is_missing_out_and_are_missing_when_nothing_is_left():
    found = told(
        {"time": 1_000, "altitude_meters": None, "velocity_kmh": None},
        {"time": 1_001, "altitude_meters": 1_000.0, "velocity_kmh": None},
        {"time": 1_002, "altitude_meters": None, "velocity_kmh": 300.0},
        {"time": 1_003, "altitude_meters": 1_004.0, "velocity_kmh": 310.0},
    )
    assert list(found["rolling_avg_altitude"].fillna(-1)) == [-1, 1_000, 1_000, 1_002]
    assert list(found["rolling_std_altitude"].fillna(-1)) == [-1, -1, -1, pytest.approx(8**0.5)]
    assert list(found["rolling_avg_velocity"].fillna(-1)) == [-1, -1, 300, 305]


def test_the_time_an_aircraft_was_last_in_the_same_phase_is_kept_across_other_phases():
    up, level = {"vertical_rate": 10.0}, {"vertical_rate": 0.0}
    found = told(
        {"time": 1_000} | up, {"time": 1_010} | level, {"time": 1_020} | level, {"time": 1_030} | up, batches=[1, 2, 1]
    )
    assert phases(found) == ["CLIMB", "CRUISE", "CRUISE", "CLIMB"]
    assert list(found["previous_phase_time"].fillna(-1)) == [-1, -1, 1_010, 1_000]


def test_silence_forgets_when_an_aircraft_was_last_in_a_phase_or_anomalous():
    found = told(*at(1_000, 1_010, 2_000, 2_010, altitude_meters=14_000.0, geo_altitude_meters=14_000.0))
    assert list(found["previous_phase_time"].fillna(-1)) == [-1, 1_000, -1, 2_000]
    assert list(found["previous_anomaly_time"].fillna(-1)) == [-1, 1_000, -1, 2_000]


def test_the_time_of_the_last_anomaly_is_told_to_normal_observations_too():
    high = {"altitude_meters": 14_000.0, "geo_altitude_meters": 14_000.0}
    found = told({"time": 1_000} | high, {"time": 1_010}, {"time": 1_020}, {"time": 1_030} | high, batches=[2, 2])
    assert list(found["anomaly_bits"] != 0) == [True, False, False, True]
    assert list(found["previous_anomaly_time"].fillna(-1)) == [-1, 1_000, 1_000, 1_000]


MISSING = float("nan")
RULES = [
    (True, 10.0, 1_000.0, "GROUND"),
    (True, MISSING, MISSING, "GROUND"),
    (False, 10 / 3 + 1e-9, 2_999.9, "TAKEOFF"),
    (False, 10 / 3, 2_999.9, "CLIMB"),
    (False, 5.0, 3_000.0, "CLIMB"),
    (False, 5.0, MISSING, "CLIMB"),
    (False, 4 / 3 + 1e-9, 9_000.0, "CLIMB"),
    (False, 20 / 15, 8_000.1, "CRUISE"),
    (False, -20 / 15, 8_000.1, "CRUISE"),
    (False, 0.0, 8_000.0, "TRANSITION"),
    (False, 0.0, MISSING, "TRANSITION"),
    (False, 20 / 15, 1_000.0, "TRANSITION"),
    (False, -4 / 3 - 1e-9, 12_000.0, "DESCENT"),
    (False, -5.0, MISSING, "DESCENT"),
    (False, MISSING, 10_000.0, "TRANSITION"),
]


@pytest.mark.parametrize(("on_ground", "rate", "altitude", "phase"), RULES)
def test_the_first_rule_that_holds_decides_the_phase(on_ground: bool, rate: float, altitude: float, phase: str):
    (code,) = history.flight_phase(np.array([on_ground]), np.array([rate]), np.array([altitude]))
    assert PHASES[code] == phase


def test_the_reported_vertical_rate_decides_where_there_is_one():
    found = told(
        {"time": 1_000, "altitude_meters": 9_000.0}, {"time": 1_010, "altitude_meters": 9_500.0, "vertical_rate": -2.0}
    )
    assert phases(found) == ["CRUISE", "DESCENT"]


@pytest.mark.parametrize(("seconds", "phase"), [(5, "CLIMB"), (15, "CLIMB"), (16, "CRUISE"), (600, "CRUISE")])
def test_without_a_vertical_rate_the_change_over_the_elapsed_time_decides(seconds: int, phase: str):
    found = told(
        {"time": 1_000, "altitude_meters": 9_000.0, "vertical_rate": None},
        {"time": 1_000 + seconds, "altitude_meters": 9_021.0, "vertical_rate": None},
    )
    assert phases(found) == ["TRANSITION", phase]


def test_an_unknown_on_ground_is_not_on_the_ground():
    assert phases(told({"on_ground": None})) == ["CRUISE"]


def emergencies(*rows: dict[str, Any], batches: list[int] | None = None) -> list[bool]:
    bit = 1 << REASONS.index("emergency_squawk")
    return [bool(bits & bit) for bits in told(*rows, batches=batches)["anomaly_bits"]]


@pytest.mark.parametrize("batches", [[3], [1, 2], [2, 1]])
def test_an_emergency_squawk_counts_from_its_second_observation_running(batches: list[int]):
    assert emergencies(*at(1_000, 1_010, 1_020, squawk="7700"), batches=batches) == [False, True, True]


def test_an_emergency_squawk_that_was_interrupted_has_to_be_seen_twice_again():
    codes = ["7700", "1000", "7700", None, "7500", "7600"]
    rows = [{"time": 1_000 + 10 * n, "squawk": code} for n, code in enumerate(codes)]
    assert emergencies(*rows) == [False, False, False, False, False, True]


def test_an_emergency_squawk_on_the_ground_is_none():
    assert emergencies(*at(1_000, 1_010, squawk="7700", on_ground=1.0)) == [False, False]
    assert emergencies({"squawk": "7700", "on_ground": 1.0}, {"squawk": "7700", "time": 1_010}) == [False, False]


def test_an_emergency_squawk_on_either_side_of_a_silence_is_none():
    assert emergencies(*at(1_000, 1_901, squawk="7700")) == [False, False]


def test_a_state_comes_back_as_it_was_written():
    state, _ = history.advance(history.NOBODY, flights(*at(1_000, 1_010)), EXPERT)
    again = history.load(history.dump(state))
    assert again.tobytes() == state.tobytes()
    assert len(history.load(history.dump(history.NOBODY))) == 0


@pytest.mark.parametrize("blob", [b"", b"contrail-history-0\n", b"contrail-history-12\nxyz", b"something else"])
def test_a_state_of_another_version_is_refused(blob: bytes):
    with pytest.raises(ValueError, match="unknown state version"):
        history.load(blob)


def test_an_aircraft_not_heard_of_for_a_day_is_forgotten_and_one_of_just_a_day_is_not():
    rows = [{"address": 1, "time": 999}, {"address": 2, "time": 1_000}, {"address": 3, "time": 1_000 + 86_400}]
    state, _ = history.advance(history.NOBODY, flights(*rows), EXPERT)
    assert list(state["icao24"]) == [2, 3]


def test_one_report_from_the_future_makes_nobody_be_forgotten():
    now, ahead = 1_000_000, 40 * 86_400
    state, _ = history.advance(history.NOBODY, flights({"address": 1, "time": now}), EXPERT, now)
    rows = [{"address": 2, "time": now + ahead}, {"address": 3, "time": now + 5}]
    state, _ = history.advance(state, flights(*rows), EXPERT, now + 5)
    assert list(state["icao24"]) == [1, 2, 3]
    _, again = history.advance(
        state, flights({"address": 1, "time": now}, {"address": 1, "time": now + 9}), EXPERT, now + 9
    )
    assert list(again["observation_rank"]) == [2]


def test_a_state_is_one_row_an_aircraft_sorted_by_address():
    state = history.NOBODY
    for moment in range(1_000, 1_100, 10):
        batch = flights(*({"address": address, "time": moment} for address in (9, 3, 7)))
        state, _ = history.advance(state, batch, EXPERT)
    assert list(state["icao24"]) == [3, 7, 9]
    assert list(state["rank"]) == [10, 10, 10]
