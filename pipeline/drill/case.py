"""What a fault of the drill is, and what came of one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pipeline.drill.comparison import SAME, Difference
from pipeline.drill.rig import Rig
from pipeline.errors import DrillError


@dataclass(frozen=True)
class Extent:
    """How long the long cases are: kills of the driver, poison messages, simulated hours, seconds without S3.

    Where it is not `slow`, what only needs patience is left out.
    """

    kills: int = 50
    poison: int = 100_000
    hours: int = 24
    away_seconds: float = 60
    slow: bool = True


BRIEF = Extent(kills=3, poison=5_000, hours=2, away_seconds=5, slow=False)


@dataclass(frozen=True)
class Case:
    """One fault: `fault` says it in words, `inflict` does it, waits until the pipeline is well again and says what happened.

    Cases that need no `stand` of their own are done one after the other to the same running pipeline.
    """

    name: str
    fault: str
    inflict: Callable[[Rig, Extent], str]
    stand: Callable[[Path], AbstractContextManager[Rig]] | None = None


class Unable(DrillError):
    """A case cannot be done on this machine; its text says why."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case. `seconds`: from the fault's end until Gold counted what came after it."""

    case: Case
    happened: str
    difference: Difference = SAME
    seconds: float | None = None
    verdict: str = "ok"  # or "failed", or "not here"
