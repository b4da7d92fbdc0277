"""`contrail train` from its first check to the saved model: a process and a Spark session of its own, beside the driver's.

It only reads Silver, and writes what no stream writes: models, `held_out_predictions` and `ops/model.json`. A second training of
the same lake is refused while one runs (on a disk; on S3 no such lock can be taken).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipeline import lease, model_card, model_store, ops, phase_model, spark, training
from pipeline.diagnosis import explain
from pipeline.errors import ContrailError, TrainingError
from pipeline.experiment import ALL, BOOSTING, FEATURE_SETS, FOREST, HONEST, WITHOUT
from pipeline.settings import Settings
from pipeline.tables import HELD_OUT_PREDICTIONS, Lake, lake_of
from pipeline.training import Classic, Data, Plan, Trial

NICENESS = 10
KEPT_MODELS = 2
GRACE_SECONDS = 20.0

Say = Callable[[str], None]


class Stopwatch:
    """Says what begins, with the seconds since the start."""

    def __init__(self, say: Say) -> None:
        self._say, self._began = say, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def __call__(self, words: str) -> None:
        """Say what begins now."""
        self._say(f"{self.seconds:6.1f} s  {words}")


def command(settings: Settings, plan: Plan, card: Path | None, say: Say, *, classic: bool) -> None:
    """Train, save and describe; with `classic` only compare the classical way with the honest one, and save nothing.

    Raises LakeError without Silver or while another training runs, TrainingError when there is too little to learn from, or when
    Spark fails.
    """
    lake, clock = lake_of(settings), Stopwatch(say)
    training.check(lake, plan)
    lock = lease.TrainingLock(lake)
    lock.take()
    try:
        with _session(settings, clock) as session:
            if classic:
                say(model_card.compared(compare(session, lake, plan, clock)))
                return
            figures = train(session, lake, plan, clock)
        where = card or settings.data_folder / "model-card.md"
        model_card.write(figures, where)
        say(model_card.summary(figures))
        say(f"Saved in {model_store.place(lake, figures['model'])}; the model card is {where}.")
    except (ContrailError, KeyboardInterrupt):
        raise
    except Exception as error:
        log = settings.data_folder / "training" / "logs" / "spark.log"
        raise TrainingError(
            f"The training failed: {explain(error)[0]} Its log is {log}; fewer --rows need less memory."
        ) from error
    finally:
        lock.free()


def train(session: SparkSession, lake: Lake, plan: Plan, clock: Stopwatch) -> dict[str, Any]:
    """Train every model, save the first forest and its predictions for the honest test; returns the run's figures."""
    began = datetime.now(UTC)
    clock("reading Silver")
    with training.prepared(session, lake, plan) as data:
        trials: list[Trial] = []
        first: PipelineModel | None = None
        for seed in range(plan.seed, plan.seed + plan.seeds):
            for features in FEATURE_SETS:
                clock(f"{FOREST} {len(trials) + 1} of {plan.seeds * len(FEATURE_SETS)}: {features}, seed {seed}")
                trial, model = training.tried(data, plan, features, FOREST, seed)
                first = first or model
                trials.append(trial)
        clock(f"{BOOSTING}, seed {plan.seed}")
        trials.append(training.tried(data, plan, ALL, BOOSTING, plan.seed)[0])
        trials += training.baselines(data, plan.seed)
        clock("as in the classic")
        classic = training.as_in_the_classic(data, plan)
        figures = told(lake, plan, data, trials, classic, began)
        clock("saving the model and its predictions")
        assert first is not None
        _, test = training.divided(data, plan.seed)
        save(session, lake, first, test.where(F.col("part") == HONEST), figures)
    clock("done")
    return figures


def compare(session: SparkSession, lake: Lake, plan: Plan, clock: Stopwatch) -> dict[str, Any]:
    """The classical way beside the honest one, each once."""
    clock("reading Silver")
    with training.prepared(session, lake, plan) as data:
        clock("as in the classic")
        classic = training.as_in_the_classic(data, plan)
        trials = []
        for features in (ALL, WITHOUT):
            clock(f"{FOREST}: {features}, by aircraft and time")
            trials.append(training.tried(data, plan, features, FOREST, plan.seed)[0])
        return told(lake, plan, data, trials, classic, datetime.now(UTC))


def told(lake: Lake, plan: Plan, data: Data, trials: list[Trial], classic: Classic, began: datetime) -> dict[str, Any]:
    """All figures of a run, as JSON takes them: what the model card is written from."""
    feed = (ops.read(lake, ops.FEEDS) or {}).get("feed", "")
    chosen = {name: str(value) if isinstance(value, datetime) else value for name, value in vars(plan).items()}
    about = {name: value for name, value in vars(data).items() if name != "rows"}
    return {
        "model": model_store.named(began),
        "feed": feed,
        "learned_until": data.cut - 1,
        "plan": chosen,
        "data": about,
        "trials": [dataclasses.asdict(one) | {"matrices": _lists(one)} for one in trials],
        "classic": dataclasses.asdict(classic) | {"matrix": classic.matrix.counts.tolist()},
    }


def _lists(trial: Trial) -> dict[str, list[list[int]]]:
    return {name: matrix.counts.tolist() for name, matrix in trial.matrices.items()}


def save(session: SparkSession, lake: Lake, model: PipelineModel, held_out: DataFrame, figures: dict[str, Any]) -> None:
    """Save the model, replace the predictions for the honest test, then let the lake name the model its current one."""
    name = figures["model"]
    model.write().overwrite().save(model_store.place(lake, name))
    list(lake.create())
    predicted = phase_model.scored(held_out, model, name, figures["learned_until"], HELD_OUT_PREDICTIONS)
    writer = predicted.coalesce(1).write.format("delta").mode("overwrite")
    writer.partitionBy(HELD_OUT_PREDICTIONS.partition).save(lake.path(HELD_OUT_PREDICTIONS))
    ops.write(lake, ops.MODEL, figures)
    _forget_older(session, lake)


def _forget_older(session: SparkSession, lake: Lake) -> None:
    """Delete all but the newest models; one before the current is kept for whoever is loading it."""
    jvm: Any = session.sparkContext._jvm
    folder = jvm.org.apache.hadoop.fs.Path(model_store.folder(lake))
    files = folder.getFileSystem(session.sparkContext._jsc.hadoopConfiguration())
    found = sorted((one.getPath().getName(), one.getPath()) for one in files.listStatus(folder))
    for _, path in found[:-KEPT_MODELS]:
        files.delete(path, True)


@contextlib.contextmanager
def _session(settings: Settings, clock: Stopwatch) -> Iterator[SparkSession]:
    """A Spark session with logs and scratch space of its own; a running pipeline goes first."""
    os.nice(NICENESS)
    clock("starting Spark")
    own = dataclasses.replace(settings, lake=settings.lake_root, data=str(settings.data_folder / "training"))
    session = spark.session(own, clock)
    try:
        yield session
    finally:
        with contextlib.suppress(Exception):
            session.stop()
        spark.end_jvm(GRACE_SECONDS)
