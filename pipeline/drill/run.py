"""Runs faults, one after the other, and judges each: the shared pipeline is started again after a case that failed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import SubprocessError

import psutil

from pipeline.drill.case import Case, Extent, Outcome, Unable
from pipeline.drill.comparison import SAME
from pipeline.drill.rig import Rig
from pipeline.errors import ContrailError

Say = Callable[[str], None]
TROUBLE = (ContrailError, OSError, SubprocessError, psutil.Error)


def run(cases: Iterable[Case], extent: Extent, say: Say) -> Iterator[Outcome]:
    """Every case's outcome, as it comes. What a failed one has left is kept, and where it is is said."""
    chosen = list(cases)
    shared = [case for case in chosen if case.stand is None]
    while shared:
        for outcome in _on_one(shared, extent, say):
            shared = shared[1:]
            yield outcome
    for case in chosen:
        if case.stand is not None:
            yield _alone(case, extent, say)


def _on_one(cases: list[Case], extent: Extent, say: Say) -> Iterator[Outcome]:
    """Cases on one pipeline, up to the first that fails."""
    with folder(say) as here:
        try:
            with Rig(here / "rig").standing() as rig:
                for case in cases:
                    yield (outcome := done(case, rig, extent, say))
                    if outcome.verdict == "failed":
                        here.joinpath("failed").touch()
                        return
        except TROUBLE as error:
            here.joinpath("failed").touch()
            yield _failed(cases[0], error, say)


def _alone(case: Case, extent: Extent, say: Say) -> Outcome:
    assert case.stand is not None
    with folder(say) as here:
        try:
            with case.stand(here) as rig:
                outcome = done(case, rig, extent, say)
        except Unable as reason:
            say(f"{case.name}: {reason}")
            return Outcome(case, str(reason), verdict="not here")
        except TROUBLE as error:
            outcome = _failed(case, error, say)
        if outcome.verdict == "failed":
            here.joinpath("failed").touch()
        return outcome


def _failed(case: Case, error: Exception, say: Say) -> Outcome:
    say(f"{case.name}: FAILED {error}")
    return Outcome(case, str(error), verdict="failed")


def done(case: Case, rig: Rig, extent: Extent, say: Say) -> Outcome:
    """Do a case to a rig and judge it."""
    say(f"{case.name}: {case.fault}")
    try:
        rig.go()
        happened = case.inflict(rig, extent)
        seconds = rig.mended()
        say(f"{case.name}: {happened}; judging the tables")
        difference = rig.judge()
    except Unable as reason:
        return Outcome(case, str(reason), verdict="not here")
    except TROUBLE as error:
        return _failed(case, error, say)
    say(f"{case.name}: FAILED {difference.example}" if difference != SAME else f"{case.name}: ok, {seconds:.0f} s")
    return Outcome(case, happened, difference, seconds, "ok" if difference == SAME else "failed")


@contextmanager
def folder(say: Say) -> Iterator[Path]:
    """A temporary folder, kept when a file `failed` is in it at the end."""
    here = Path(tempfile.mkdtemp(prefix="contrail-drill-"))
    try:
        yield here
    finally:
        if (here / "failed").exists():
            say(f"What the failed case has left is in {here}.")
        else:
            shutil.rmtree(here, ignore_errors=True)
