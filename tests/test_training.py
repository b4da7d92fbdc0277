"""The training on real Spark over a simulated hour: honest splits, figures that can be computed again, and clear refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import write_deltalake
from pyspark.sql import functions as F

from pipeline import lease, phase_model, training
from pipeline.errors import LakeError, TrainingError
from pipeline.evaluation import Matrix
from pipeline.experiment import ALL, FEATURES, FOREST, HONEST, SAME_BOTH, TESTS, TRAIN, WITHOUT
from pipeline.serving import Reader
from pipeline.settings import load
from pipeline.sources.replay import recorded
from pipeline.tables import FLIGHTS_ML, HELD_OUT_PREDICTIONS, PHASES, Lake, lake_of
from pipeline.training import Plan
from pipeline.training_run import command
from tests.conftest import SMALL
from tests.small_lake import NOON, put
from tests.test_graph import take_all

PLAN = Plan(**SMALL)
QUICK = Plan(trees=5, depth=6, seeds=1, rows=20_000)


@pytest.fixture(scope="module")
def silver(flown) -> pd.DataFrame:
    return Reader(lake_of(flown)).frame(FLIGHTS_ML, "*")


def matrix(figures: dict, learner: str, features: str, test: str, seed: int = 42) -> Matrix:
    (found,) = [
        one["matrices"][test]
        for one in figures["trials"]
        if (one["learner"], one["features"], one["seed"]) == (learner, features, seed)
    ]
    return Matrix(np.array(found))


def parts(spark, lake: Lake, plan: Plan, seed: int) -> pd.DataFrame:
    with training.prepared(spark, lake, plan) as data:
        rows = data.rows.select(
            "icao24", F.unix_seconds("event_timestamp").alias("at"), training.part(data, seed).alias("part")
        )
        return rows.toPandas()


@pytest.mark.parametrize("seed", [42, 43])
def test_no_aircraft_is_on_both_sides_and_the_test_is_later(spark, flown, seed):
    found = parts(spark, lake_of(flown), PLAN, seed)
    assert_honest(found)
    assert found["part"].value_counts().sum() == PLAN.rows
    assert set(found["part"]) == {TRAIN, *TESTS}


@pytest.mark.parametrize("seed", [42, 43])
def test_a_small_share_of_silver_is_divided_as_a_large_one_is(spark, flown, silver, seed):
    """A sample is the rows of lowest hash; whether one is held out must not depend on that hash again."""
    rows = len(silver) // 12
    found = parts(spark, lake_of(flown), replace(PLAN, rows=rows), seed)
    assert len(found) == rows
    assert_honest(found)
    of_train = found["part"].isin([TRAIN, SAME_BOTH])
    held_out = (found.loc[of_train, "part"] == SAME_BOTH).mean()
    assert held_out == pytest.approx(training.HELD_OUT, abs=5 * (0.2 * 0.8 / of_train.sum()) ** 0.5)


def assert_honest(found: pd.DataFrame) -> None:
    train, test = (found[found["part"] == part] for part in (TRAIN, HONEST))
    assert len(train) > 100
    assert len(test) > 20
    assert set(train["icao24"]).isdisjoint(test["icao24"])
    assert train["at"].max() < test["at"].min()


def test_another_seed_divides_the_aircraft_otherwise(spark, flown):
    one, other = (parts(spark, lake_of(flown), PLAN, seed) for seed in (42, 43))
    tested = [set(found.loc[found["part"] == HONEST, "icao24"]) for found in (one, other)]
    assert tested[0] != tested[1]


def predictions(spark, lake: Lake) -> pd.DataFrame:
    with training.prepared(spark, lake, PLAN) as data:
        _, model = training.tried(data, PLAN, ALL, FOREST, 42)
        _, test = training.divided(data, 42)
        found = phase_model.scored(test, model, "again", 0, HELD_OUT_PREDICTIONS).toPandas()
    found["event_timestamp"] = found["event_timestamp"].dt.tz_localize("UTC")
    return found.sort_values(["icao24", "event_timestamp"], ignore_index=True)


def test_the_same_rows_and_seed_give_the_same_predictions_however_the_table_is_cut(
    spark, flown, trained, tmp_path: Path
):
    cut, rows = Lake(str(tmp_path)), Reader(lake_of(flown)).table(FLIGHTS_ML, "*").cast(FLIGHTS_ML.schema)
    list(cut.create())
    for begin in range(0, len(rows), 4_000):
        write_deltalake(cut.path(FLIGHTS_ML), rows.slice(begin, 4_000), mode="append")
    once, again = predictions(spark, lake_of(flown)), predictions(spark, cut)
    pd.testing.assert_frame_equal(once, again)
    saved = Reader(lake_of(flown)).frame(HELD_OUT_PREDICTIONS, "*")
    both = saved.merge(once, on=["icao24", "event_timestamp"])
    assert len(both) == len(saved)
    assert (both["predicted_phase_x"] == both["predicted_phase_y"]).all()
    assert (both["probability_x"] == both["probability_y"]).all()


def test_accuracy_and_f1_are_those_of_the_predictions_in_the_lake(flown, trained, silver):
    saved = Reader(lake_of(flown)).frame(HELD_OUT_PREDICTIONS, "*")
    told = matrix(trained, FOREST, ALL, HONEST)
    assert len(saved) == told.rows
    assert told.accuracy == pytest.approx((saved["flight_phase"] == saved["predicted_phase"]).mean())
    for phase, f1 in zip(PHASES, told.f1, strict=True):
        hits = ((saved["flight_phase"] == phase) & (saved["predicted_phase"] == phase)).sum()
        said, meant = (saved["predicted_phase"] == phase).sum(), (saved["flight_phase"] == phase).sum()
        if meant == 0:
            assert np.isnan(f1)
        else:
            precision, recall = hits / said if said else 0.0, hits / meant
            expected = 2 * precision * recall / (precision + recall) if hits else 0.0
            assert f1 == pytest.approx(expected)
    both = saved.merge(silver, on=["icao24", "event_timestamp"], suffixes=("", "_silver"))
    assert len(both) == len(saved)
    assert (both["flight_phase"] == both["flight_phase_silver"]).all()
    assert saved["unseen"].all()
    assert set(saved["model"]) == {trained["model"]}
    assert saved["probability"].between(1 / len(PHASES), 1).all()


def test_the_classical_way_leaks_and_drops_the_ground(trained):
    classic = Matrix(np.array(trained["classic"]["matrix"]))
    honest = matrix(trained, FOREST, WITHOUT, HONEST)
    assert classic.accuracy > honest.accuracy
    dropped, there = trained["classic"]["dropped"]["GROUND"], trained["data"]["phases"]["GROUND"]
    assert dropped / there > 0.9
    assert trained["classic"]["train_rows"] + classic.rows + sum(trained["classic"]["dropped"].values()) == PLAN.rows


def test_the_forest_is_better_than_a_majority_and_the_majority_is_that_of_the_training(trained):
    majority = matrix(trained, "majority vote", ALL, HONEST)
    assert (majority.counts.sum(axis=0) > 0).sum() == 1
    assert matrix(trained, FOREST, ALL, HONEST).accuracy > majority.accuracy
    assert matrix(trained, "gradient boosting", ALL, HONEST).accuracy > majority.accuracy


def test_no_row_is_dropped_and_what_is_missing_is_counted(spark, flown, silver):
    with training.prepared(spark, lake_of(flown), Plan()) as data:
        assert data.used == data.of == len(silver)
        assert data.missing == {name: int(silver[name].isna().sum()) for name in FEATURES}
        assert data.phases == silver["flight_phase"].value_counts().to_dict()
        train, test = training.divided(data, 42)
        assert train.count() + test.count() == len(silver)


def test_the_thresholds_know_no_ground_and_do_not_need_the_rule(trained):
    found = matrix(trained, "the rule's thresholds on what the model sees", ALL, SAME_BOTH)
    assert found.counts[:, PHASES.index("GROUND")].sum() == 0
    assert 0.3 < found.accuracy < 1


def test_a_range_is_kept_to(spark, flown, silver):
    since = silver["event_timestamp"].min().to_pydatetime() + timedelta(minutes=10)
    until = since + timedelta(minutes=20)
    with training.prepared(spark, lake_of(flown), Plan(since=since, until=until)) as data:
        assert data.used == silver["event_timestamp"].between(since, until, inclusive="left").sum()


def test_what_the_model_says_does_not_depend_on_the_rule(spark, flown, trained):
    from pyspark.ml import PipelineModel

    from pipeline import model_store

    model = PipelineModel.load(model_store.place(lake_of(flown), trained["model"]))
    rows = spark.read.format("delta").load(lake_of(flown).path(FLIGHTS_ML)).limit(500).persist()
    said = [
        [row["predicted_phase"] for row in phase_model.scored(one, model, "", 0, HELD_OUT_PREDICTIONS).collect()]
        for one in (rows, rows.withColumn("flight_phase", F.lit("TRANSITION")))
    ]
    rows.unpersist()
    assert said[0] == said[1]
    assert len(set(said[0])) > 1


def test_recorded_flights_are_divided_honestly_and_their_leak_is_larger(
    spark, settings, lake, producer, recordings: Path
):
    for answer in recorded(recordings / "traffic_quickstart_2021-10-07_15s.jsonl.gz"):
        producer.send(answer, "replay", flush=False)
    producer.send(next(iter(recorded(recordings / "traffic_quickstart_2021-10-07_15s.jsonl.gz"))), "replay")
    take_all(spark, settings, lake, ["bronze", "silver"])
    assert_honest(parts(spark, lake, QUICK, 42))
    with training.prepared(spark, lake, QUICK) as data:
        trial, _ = training.tried(data, QUICK, WITHOUT, FOREST, 42)
        classic = training.as_in_the_classic(data, QUICK)
    assert trial.matrices[SAME_BOTH].accuracy > trial.matrices[HONEST].accuracy
    assert classic.matrix.accuracy > trial.matrices[HONEST].accuracy


# What cannot be trained on


def flights(count: int, aircraft: int, phases: tuple[str, ...] = PHASES) -> list[dict]:
    return [
        {
            "event_timestamp": NOON + timedelta(seconds=number),
            "icao24": f"{number % aircraft:06x}",
            "flight_phase": phases[number % len(phases)],
            "date": NOON.date(),
        }
        for number in range(count)
    ]


def test_no_silver_is_a_sentence(tmp_path: Path):
    with pytest.raises(LakeError, match=r"no Silver at .*start the pipeline"):
        training.check(Lake(str(tmp_path)), Plan())


@pytest.mark.parametrize(
    ("rows", "aircraft", "phases", "words"),
    [
        (499, 30, PHASES, "499 rows of 30 aircraft .*too few"),
        (600, 19, PHASES, "600 rows of 19 aircraft .*too few"),
        (600, 30, ("CRUISE",), "same flight phase"),
    ],
)
def test_too_little_to_learn_from_is_a_sentence(small_lake, rows, aircraft, phases, words):
    put(small_lake, FLIGHTS_ML, *flights(rows, aircraft, phases))
    with pytest.raises(TrainingError, match=words):
        training.check(small_lake, Plan())


def test_options_that_make_no_sense_are_named(small_lake):
    put(small_lake, FLIGHTS_ML, *flights(600, 30))
    training.check(small_lake, Plan())
    with pytest.raises(TrainingError, match=r"--since .*--until"):
        training.check(small_lake, Plan(since=NOON, until=NOON))
    with pytest.raises(TrainingError, match="--rows is 10"):
        training.check(small_lake, Plan(rows=10))
    with pytest.raises(TrainingError, match="0 rows"):
        training.check(small_lake, Plan(until=datetime(2000, 1, 1, tzinfo=UTC)))


def test_features_that_no_row_has_are_named(spark, small_lake):
    put(small_lake, FLIGHTS_ML, *flights(600, 30))
    with (
        pytest.raises(TrainingError, match="No row in this range has altitude_meters"),
        training.prepared(spark, small_lake, Plan()),
    ):
        pass


def test_a_second_training_is_refused_with_the_name_of_the_first(tmp_path: Path):
    settings = load({}, data=str(tmp_path))
    list(lake_of(settings).create())
    put(lake_of(settings), FLIGHTS_ML, *flights(600, 30))
    lock = lease.TrainingLock(lake_of(settings))
    lock.take()
    try:
        with pytest.raises(LakeError, match="being trained on by process"):
            command(settings, Plan(), None, print, classic=True)
    finally:
        lock.free()
