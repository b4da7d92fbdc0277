"""The optional stream on real Kafka, Spark and Delta: each row once across kills, nothing without a model."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.ml import PipelineModel

from pipeline import model_store, ops, phase_model, resets
from pipeline.audit import audit
from pipeline.drill.processes import contrail, started, wait_until
from pipeline.errors import StreamError
from pipeline.graph import OPTIONAL, STREAMS
from pipeline.serving import Reader
from pipeline.settings import Settings, as_environment
from pipeline.supervisor import Supervisor
from pipeline.tables import FLIGHTS_ML, HELD_OUT_PREDICTIONS, PHASE_PREDICTIONS, Lake, lake_of
from tests.small_lake import put
from tests.test_graph import simulated, take_all

KEY = "icao24, event_timestamp"


@pytest.fixture
def with_model(settings: Settings, flown: Settings, trained: dict) -> Settings:
    """Settings of an empty lake that has the model."""
    lake = lake_of(settings)
    shutil.copytree(model_store.place(lake_of(flown), trained["model"]), model_store.place(lake, trained["model"]))
    ops.write(lake, ops.MODEL, trained)
    return settings


def keys(lake: Lake, table, version: int | None = None) -> list[tuple]:
    reader = Reader(lake)
    if version is not None:
        reader.load(table, version)
    return sorted(tuple(row.values()) for row in reader.rows(table, KEY))


def broken(lake: Lake) -> list[str]:
    """The audit's checks of the predictions that do not hold."""
    checks = [check for check in audit(lake).checks if check.name.startswith("phase_predictions")]
    assert len(checks) == 2
    return [check.name for check in checks if not check.holds]


def test_without_a_model_its_start_is_a_sentence_with_the_cure(settings):
    with pytest.raises(StreamError, match=r"No model is saved .*`contrail train`"):
        Supervisor(settings).start("phase_predictions")
    with pytest.raises(StreamError, match="`contrail train`"):
        Supervisor(settings).restart("phase_predictions")
    assert "phase_predictions" not in STREAMS
    assert OPTIONAL == ("phase_predictions",)


def test_rows_from_its_start_on_are_scored_once_and_as_the_saved_model_says(spark, with_model, producer):
    lake = lake_of(with_model)
    answers = simulated(36)
    for answer in answers[:6]:
        producer.send(answer, "simulator")
    take_all(spark, with_model, lake, ["bronze", "silver"])
    before = int(lake.open(FLIGHTS_ML).version())
    take_all(spark, with_model, lake, ["phase_predictions"])
    for piece in (answers[6:16], answers[16:]):
        for answer in piece:
            producer.send(answer, "simulator")
        take_all(spark, with_model, lake, ["bronze", "silver", "phase_predictions"])
    earlier = set(keys(lake, FLIGHTS_ML, before - 1))
    expected = [key for key in keys(lake, FLIGHTS_ML) if key not in earlier]
    assert keys(lake, PHASE_PREDICTIONS) == expected
    assert broken(lake) == []
    assert_as_in_a_batch(spark, lake)


def assert_as_in_a_batch(spark, lake: Lake) -> None:
    """The stream says of each row what the model says of it in a batch."""
    told = model_store.required(lake)
    model = PipelineModel.load(model_store.place(lake, told["model"]))
    flights = spark.read.format("delta").load(lake.path(FLIGHTS_ML))
    whole = phase_model.scored(flights, model, told["model"], told["learned_until"], PHASE_PREDICTIONS).toPandas()
    whole["event_timestamp"] = whole["event_timestamp"].dt.tz_localize("UTC")
    live = Reader(lake).frame(PHASE_PREDICTIONS, "*")
    both = live.merge(whole, on=["icao24", "event_timestamp"], suffixes=("", "_batch"))
    assert len(both) == len(live) > 100
    for name in ("flight_phase", "predicted_phase", "probability", "model", "unseen"):
        assert (both[name] == both[f"{name}_batch"]).all(), name


def test_a_reset_of_silver_lets_it_begin_anew_and_its_own_begins_with_the_present(spark, with_model, producer):
    lake, streams = lake_of(with_model), ["bronze", "silver", "phase_predictions"]
    for answer in simulated(6):
        producer.send(answer, "simulator")
    take_all(spark, with_model, lake, streams)
    resets.reset(lake, "silver")
    assert keys(lake, PHASE_PREDICTIONS) == []
    take_all(spark, with_model, lake, ["phase_predictions", "silver", "phase_predictions"])
    assert keys(lake, PHASE_PREDICTIONS) == keys(lake, FLIGHTS_ML)
    assert "what comes from then on is scored" in resets.plan(lake, "phase_predictions").words
    assert broken(lake) == []


def test_a_missing_and_a_doubled_score_are_noticed(spark, with_model, producer):
    lake = lake_of(with_model)
    take_all(spark, with_model, lake, ["phase_predictions"])
    for answer in simulated(8):
        producer.send(answer, "simulator")
    take_all(spark, with_model, lake, ["bronze", "silver", "phase_predictions"])
    assert broken(lake) == []
    middle = sorted(key[1] for key in keys(lake, PHASE_PREDICTIONS))[len(keys(lake, PHASE_PREDICTIONS)) // 2]
    version = int(lake.open(PHASE_PREDICTIONS).version())
    lake.open(PHASE_PREDICTIONS).delete(f"event_timestamp = '{middle:%Y-%m-%dT%H:%M:%SZ}'")
    assert broken(lake) == ["phase_predictions has every row of silver since it began"]
    lake.open(PHASE_PREDICTIONS).restore(version)
    put(lake, PHASE_PREDICTIONS, Reader(lake).rows(PHASE_PREDICTIONS, "*", "LIMIT 1")[0])
    assert "phase_predictions has none twice" in broken(lake)


def test_a_kill_in_the_middle_changes_nothing(tmp_path: Path, spark, with_model):
    quick = replace(with_model, aircraft=40, interval=1.0, seed=11)
    lake, log = lake_of(quick), tmp_path / "log"
    with started(contrail("run"), as_environment(quick), log) as driver:
        wait_until(lambda: scored(lake, driver.pid) > 0, 300, "the first scored rows")
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    with started(contrail("run"), as_environment(quick), log) as driver:
        wait_until(lambda: scored(lake, driver.pid) > 0, 300, "rows scored after the kill")
        driver.send_signal(signal.SIGINT)
        assert driver.wait(60) == 0
    take_all(spark, quick, lake, ["bronze", "silver", "phase_predictions"])
    begun = (ops.read(lake, ops.CHECKPOINTS) or {})["begun"]["phase_predictions.0"]
    earlier = set(keys(lake, FLIGHTS_ML, begun - 1)) if begun else set()
    expected = [key for key in keys(lake, FLIGHTS_ML) if key not in earlier]
    assert keys(lake, PHASE_PREDICTIONS) == expected
    assert broken(lake) == []
    assert Reader(lake).refresh(HELD_OUT_PREDICTIONS) == 0  # only a training writes it


def scored(lake: Lake, pid: int) -> int:
    """Rows that this driver's stream has scored."""
    status = ops.read(lake, ops.STATUS) or {"pid": 0}
    return status["parts"]["phase_predictions"]["rows_total"] if status["pid"] == pid else 0
