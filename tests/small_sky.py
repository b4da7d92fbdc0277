"""A recording of a small simulated sky."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson

from pipeline.sources.simulator import Sky

START, STEP_SECONDS = 1_790_000_000, 20


def recorded(path: Path, answers: int) -> Path:
    """So many answers of eighty aircraft, one every `STEP_SECONDS`, as replay reads them."""
    sky = Sky(80, seed=11)
    with gzip.open(path, "wb") as file:
        for number in range(answers):
            answer = sky.answer(START + STEP_SECONDS * number)
            file.write(orjson.dumps({"time": answer.time, "states": answer.states}) + b"\n")
    return path
