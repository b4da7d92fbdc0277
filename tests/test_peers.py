"""The peers that are said to do the same do the same: each row equals the oracle's, however the messages are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from benchmarks.peers import duckdb_batch, polars_loop, race
from benchmarks.peers.topic import Messages
from pipeline.drill import oracle
from pipeline.producer import messages
from pipeline.sources.simulator import Sky
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake
from tests.comparison import assert_rows_equal

SNAPSHOTS, INTERVAL_SECONDS, START = 60, 20, 1_790_000_000


@pytest.fixture(scope="module")
def sent() -> list[list[bytes]]:
    """Twenty minutes of a small sky, answer by answer; some aircraft are silent for long, in distress or absurdly high."""
    sky = Sky(150, seed=11)
    answers = [messages(sky.answer(START + INTERVAL_SECONDS * number), "simulator") for number in range(SNAPSHOTS)]
    return [
        [odd(key, orjson.loads(value)) for key, value in one if heard(key, number)]
        for number, one in enumerate(answers)
    ]


def heard(address: bytes, number: int) -> bool:
    return int(address, 16) % 5 != 0 or not 5 <= number < 55


def odd(address: bytes, message: dict[str, Any]) -> bytes:
    if int(address, 16) % 7 == 0:
        message["squawk"] = "7700"
    if int(address, 16) % 11 == 0 and message["baro_altitude"] is not None:
        message["baro_altitude"] += 9_000
    return orjson.dumps(message)


@pytest.fixture(scope="module")
def expected(sent) -> list[dict[str, Any]]:
    rows = oracle.silver([value for one in sent for value in one])
    reasons = {reason for row in rows for reason in row["anomalies"]}
    assert {"altitude_high", "altitude_mismatch", "emergency_squawk"} <= reasons
    firsts = [row["icao24"] for row in rows if row["observation_rank"] == 1]
    assert len(firsts) > len(set(firsts)) + 10
    assert sum(map(len, sent)) > len(rows) + 100
    return rows


def piece(values: list[bytes], offset: int) -> Messages:
    ones = np.ones(len(values), np.int64)
    return Messages(values, [None] * len(values), 0 * ones, offset + np.arange(len(values)), 1_790_000_000_000 * ones)


@pytest.mark.parametrize("pieces", [1, 7])
def test_the_polars_loop_makes_the_same_rows(small_lake, sent, expected, pieces):
    loop, offset = polars_loop.Loop(small_lake), 0
    for answers in np.array_split(np.arange(SNAPSHOTS), pieces):
        values = [value for number in answers for value in sent[number]]
        loop.take(piece(values, offset), "sky")
        offset += len(values)
    assert_equal(small_lake, expected)


def assert_equal(lake: Lake, expected: list[dict[str, Any]]) -> None:
    assert_rows_equal(lake, FLIGHTS_ML, expected)
    assert_rows_equal(lake, FLIGHT_PHASE_COUNTS, oracle.phase_counts(expected))
    assert_rows_equal(lake, ANOMALY_ALERTS, oracle.alerts(expected))


def test_duckdb_makes_the_same_rows(tmp_path, sent, expected):
    made = Lake(str(tmp_path))
    duckdb_batch.batch([piece([value for one in sent for value in one], 0)], made)
    assert_equal(made, expected)


def test_a_race_tells_what_each_peers_start_cost_and_holds_its_rows_against_duckdbs(tmp_path):
    runs = race.measure(tmp_path, 24_000, 20_000, peers=("duckdb_batch", "polars_loop"), starts=True)
    assert [run.peer for run in runs] == ["duckdb_batch", "polars_loop"]
    for run in runs:
        assert run.right, run.wrong
        assert {*run.wrong} == {FLIGHTS_ML.name, FLIGHT_PHASE_COUNTS.name, ANOMALY_ALERTS.name}
        assert run.start_cpu_seconds > 0
        assert run.wrong[FLIGHTS_ML.name]["rows"] > 20_000
