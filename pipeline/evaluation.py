"""How well a model does: counts of (phase by the rule, phase by the model), and the figures that follow from them.

Definitions as usual: precision, recall and F1 of a class (van Rijsbergen, Information Retrieval, 1979); macro F1 is their plain
mean; intervals are Student's t over repeated runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.tables import PHASES

# Two-sided 95 % quantile of Student's t for 1, 2, … degrees of freedom.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Matrix:
    """Rows counted by the rule's phase (down) and the model's (across), both in the order of `PHASES`; shape (6, 6)."""

    counts: Ints

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str, int]]) -> Matrix:
        """From (phase by the rule, phase by the model, rows)."""
        counts = np.zeros((len(PHASES), len(PHASES)), np.int64)
        for rule, model, rows in pairs:
            counts[PHASES.index(rule), PHASES.index(model)] += rows
        return cls(counts)

    @property
    def rows(self) -> int:
        """All rows that were counted."""
        return int(self.counts.sum())

    @property
    def accuracy(self) -> float:
        """Share of the rows where both agree; NaN without a row."""
        return float(np.trace(self.counts) / self.rows) if self.rows else float("nan")

    @property
    def f1(self) -> Floats:
        """F1 of each phase; NaN where the rule never says that phase."""
        right, said, meant = np.diag(self.counts), self.counts.sum(axis=0), self.counts.sum(axis=1)
        found: Floats = np.divide(2 * right, said + meant, out=np.full(len(PHASES), np.nan), where=meant > 0)
        return found

    @property
    def macro_f1(self) -> float:
        """Plain mean of F1 over the phases that occur; NaN without a row."""
        return float(np.nanmean(self.f1)) if self.rows else float("nan")


@dataclass(frozen=True)
class Interval:
    """Mean of a figure over repeated runs, and half the width of its 95 % interval; NaN where there is none."""

    mean: float
    half_width: float


def interval(values: Sequence[float]) -> Interval:
    """Student's interval over the runs that have the figure; without a width under two of them, without a mean under one."""
    known = np.array([value for value in values if not np.isnan(value)])
    if len(known) < 2:
        return Interval(float(known[0]) if len(known) else float("nan"), float("nan"))
    spread = float(known.std(ddof=1)) / np.sqrt(len(known))
    return Interval(float(known.mean()), float(STUDENT[min(len(known) - 1, len(STUDENT)) - 1] * spread))
