"""Where the phase model is kept, and which one is current; read without Spark.

Each training saves a directory of its own and then names it in `ops/model.json`: whoever loads the model finds a whole one,
also while the next is being written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pipeline import ops
from pipeline.errors import StreamError
from pipeline.tables import Lake

FOLDER = "gold/models/rf_flight_phase"
NO_MODEL = "No model is saved in this lake, so there is nothing to score with: run `contrail train` first."


def folder(lake: Lake) -> str:
    """Where the lake's models are, as Spark wants it."""
    return f"{lake.root}/{FOLDER}"


def place(lake: Lake, model: str) -> str:
    """The address of a saved model, as Spark wants it."""
    return f"{folder(lake)}/{model}"


def named(moment: datetime) -> str:
    """A model's name: when its training began."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def current(lake: Lake) -> dict[str, Any] | None:
    """The figures of the training that made the current model, its name under `model`; None while there is none."""
    return ops.read(lake, ops.MODEL)


def required(lake: Lake) -> dict[str, Any]:
    """The same. Raises StreamError, with the cure, while there is none."""
    found = current(lake)
    if found is None:
        raise StreamError(NO_MODEL)
    return found
