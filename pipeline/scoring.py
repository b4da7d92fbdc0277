"""The optional stream that lets the saved model name the phase of each new observation, beside the rule's."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame

from pipeline import model_store
from pipeline.tables import PHASE_PREDICTIONS, Lake


def predictions(lake: Lake) -> Callable[[DataFrame], DataFrame]:
    """A function from rows of Silver to rows of `phase_predictions`, by the model that is current when it is called.

    Raises StreamError when none is saved.
    """

    def apply(flights: DataFrame) -> DataFrame:
        # Here, not above: whoever does not score is spared the memory and the second that Spark ML takes.
        from pyspark.ml import PipelineModel

        from pipeline import phase_model

        told = model_store.required(lake)
        model = PipelineModel.load(model_store.place(lake, told["model"]))
        return phase_model.scored(flights, model, told["model"], told["learned_until"], PHASE_PREDICTIONS)

    return apply
