"""Explore's figures at 10,000 rows: seconds for drawing and for encoding each one, as the page's worker does both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks import backlog
from explore.__main__ import DPI, sampled
from explore.figures import FIGURES, drawn
from explore.sample import Sample
from explore.style import png
from pipeline.serving import Reader
from pipeline.tables import Lake

AIRCRAFT, INTERVAL_SECONDS, MESSAGES = 1_500, 20, 220_000
WARM_UP, ROUNDS = 2, 9

Made = TypeVar("Made")


@dataclass(frozen=True)
class FigureCost:
    """Median seconds by the clock for drawing and for encoding a figure, and median CPU seconds of both."""

    name: str
    drawing: float
    encoding: float
    cpu_seconds: float

    @property
    def seconds(self) -> float:
        """Seconds by the clock until the picture is there."""
        return self.drawing + self.encoding


def lake_of_an_hour(folder: Path) -> Path:
    """A lake with an hour of a simulated sky."""
    backlog.measure(folder, MESSAGES, AIRCRAFT, INTERVAL_SECONDS)
    return folder / "data" / "lake"


def measure(lake: Path) -> list[FigureCost]:
    """What each figure of a lake's sample costs; the first rounds are not counted."""
    sample = sampled(Reader(Lake(str(lake))), None, None, ())
    return [cost(name, sample) for name, kind in FIGURES.items() if kind.counted is None]


def cost(name: str, sample: Sample) -> FigureCost:
    """What one figure costs."""
    rounds = []
    for _ in range(WARM_UP + ROUNDS):
        figure, drawing, drawing_cpu = timed(lambda: drawn(name, sample))
        _, encoding, encoding_cpu = timed(lambda figure=figure: png(figure, DPI))
        rounds.append((drawing, encoding, drawing_cpu + encoding_cpu))
    return FigureCost(name, *map(float, np.median(rounds[WARM_UP:], axis=0)))


def timed(make: Callable[[], Made]) -> tuple[Made, float, float]:
    """What is made, with seconds by the clock and CPU seconds."""
    began, spent = time.perf_counter(), time.process_time()
    made = make()
    return made, time.perf_counter() - began, time.process_time() - spent
