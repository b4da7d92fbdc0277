"""The models that imitate the phase rule, as Spark ML pipelines; what each of them sees, and what becomes of missing values.

A missing feature is filled with the median of the training rows, and beside it stands an indicator that says that it was missing.
So no row is dropped: most reports from the ground have no altitude, and dropping them would drop the phase GROUND.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import GBTClassifier, OneVsRest, RandomForestClassifier
from pyspark.ml.feature import (
    Imputer,
    IndexToString,
    SQLTransformer,
    StandardScaler,
    StringIndexer,
    StringIndexerModel,
    VectorAssembler,
)
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipeline.experiment import FEATURES
from pipeline.tables import PHASES, Table


def forest(trees: int, depth: int, seed: int) -> RandomForestClassifier:
    """The classical learner."""
    return RandomForestClassifier(
        featuresCol="features", labelCol="label", numTrees=trees, maxDepth=depth, seed=seed, maxMemoryInMB=256
    )


def boosting(rounds: int, seed: int) -> OneVsRest[Any]:
    """Gradient boosting; Spark's has two classes, so there is one model a phase against all others."""
    learner = GBTClassifier(featuresCol="features", labelCol="label", maxIter=rounds, maxDepth=5, seed=seed)
    return OneVsRest(classifier=learner, featuresCol="features", labelCol="label")


def pipeline(features: Sequence[str], learner: Any) -> Pipeline:
    """Imputation, scaling and the learner. All phases have a place in the label, also those that the rows lack."""
    index = StringIndexerModel.from_labels(list(PHASES), inputCol="flight_phase", outputCol="label")
    missing = ", ".join(f"CAST({name} IS NULL AS DOUBLE) AS {name}_missing" for name in features)
    filled, indicators = [f"{name}_filled" for name in features], [f"{name}_missing" for name in features]
    return Pipeline(
        stages=[
            index,
            SQLTransformer(statement=f"SELECT *, {missing} FROM __THIS__"),
            # The exact median: an approximate one would depend on which task ends first.
            Imputer(strategy="median", relativeError=0.0, inputCols=list(features), outputCols=filled),
            VectorAssembler(inputCols=[*filled, *indicators], outputCol="assembled"),
            StandardScaler(inputCol="assembled", outputCol="features"),
            learner,
            IndexToString(inputCol="prediction", outputCol="predicted_phase", labels=list(PHASES)),
        ]
    )


def classical_pipeline(learner: Any) -> Pipeline:
    """The classical one: no imputation, the label by frequency."""
    index = StringIndexer(inputCol="flight_phase", outputCol="label").setHandleInvalid("keep")
    return Pipeline(
        stages=[
            index,
            VectorAssembler(inputCols=list(FEATURES), outputCol="assembled"),
            StandardScaler(inputCol="assembled", outputCol="features"),
            learner,
        ]
    )


def threshold_rule() -> Column:
    """The phase by the thresholds alone, on what the model sees: metres since the last report, whatever time passed between.

    No feature says that an aircraft is on the ground, so nothing is GROUND.
    """
    change, altitude = F.col("altitude_change"), F.col("altitude_meters")
    return (
        F.when((change > 50) & (altitude < 3_000), "TAKEOFF")
        .when(change > 20, "CLIMB")
        .when((F.abs(change) <= 20) & (altitude > 8_000), "CRUISE")
        .when(change < -20, "DESCENT")
        .otherwise("TRANSITION")
    )


def scored(flights: DataFrame, model: PipelineModel, name: str, learned_until: int, table: Table) -> DataFrame:
    """Rows of Silver with the model's phase beside the rule's, as columns of `table`; batch or streaming.

    `learned_until` is the newest event time (s since 1970) that the model has learned from. The label's index is left out:
    a phase is predicted without a look at the rule's.
    """
    found = PipelineModel(stages=model.stages[1:]).transform(flights)
    made = {
        "probability": F.array_max(vector_to_array(F.col("probability"))),
        "model": F.lit(name),
        "unseen": F.unix_seconds("event_timestamp") > learned_until,
    }
    return found.select(*(made.get(column, F.col(column)).alias(column) for column in table.schema.names))
