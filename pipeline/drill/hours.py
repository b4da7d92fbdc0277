"""A day in a few minutes: memory, files and state have to stay what they were."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.drill.case import Case, Extent
from pipeline.drill.processes import descendants
from pipeline.drill.rig import Rig
from pipeline.errors import DrillError

ANSWERS_AN_HOUR = 60
PAUSE_SECONDS = 0.2
SETTLED_SECONDS = 120  # Spark removes old state once a minute: before that nothing is known of its growth
MOST_GROWTH, MOST_GROWTH_MB = 1.5, 200
LARGEST_MB = 4_000


@dataclass(frozen=True)
class Measure:
    """What a running pipeline takes: memory of the driver's Python and of all its processes (MB), files and bytes of its checkpoints."""

    python_mb: float
    all_mb: float
    files: int
    kilobytes: float


@contextmanager
def stand(here: Path) -> Iterator[Rig]:
    """A pipeline whose sky flies a minute from one answer to the next."""
    rig = Rig(here / "rig")
    rig.step_seconds = 3600 // ANSWERS_AN_HOUR
    with rig.standing():
        yield rig


def day(rig: Rig, extent: Extent) -> str:
    """The second half of the hours has to take what the first half took."""
    rig.flow.pause()
    began, measured = time.monotonic(), []
    for _ in range(max(2, extent.hours)):
        for _ in range(ANSWERS_AN_HOUR):
            rig.flow.burst(1)
            time.sleep(PAUSE_SECONDS)
        measured.append(measure(rig))
    rig.flow.go()
    half = len(measured) // 2
    early, late = most(measured[:half]), most(measured[half:])
    check(early, late, settled=(time.monotonic() - began) / 2 > SETTLED_SECONDS)
    return (
        f"{extent.hours} hours; driver {early.python_mb:.0f} then {late.python_mb:.0f} MB, all {early.all_mb:,.0f} then "
        f"{late.all_mb:,.0f} MB; checkpoints {early.files} then {late.files} files, {early.kilobytes:,.0f} then "
        f"{late.kilobytes:,.0f} kB"
    )


def measure(rig: Rig) -> Measure:
    """What it takes now."""
    assert rig.driver is not None
    family = [psutil.Process(rig.driver.pid), *descendants(rig.driver.pid).values()]
    memory = []
    for one in family:
        try:
            memory.append(one.memory_info().rss / (1 << 20))
        except psutil.NoSuchProcess:
            memory.append(0.0)
    sizes = []
    for path in Path(rig.lake.root, "checkpoints").rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:
            continue
    return Measure(memory[0], sum(memory), len(sizes), sum(sizes) / 1024)


def most(measured: list[Measure]) -> Measure:
    """The most of each."""
    return Measure(
        max(one.python_mb for one in measured),
        max(one.all_mb for one in measured),
        max(one.files for one in measured),
        max(one.kilobytes for one in measured),
    )


def check(early: Measure, late: Measure, *, settled: bool) -> None:
    """Raises DrillError for what has grown; files and state only once they have `settled`."""
    grown = {
        "the driver's memory": late.python_mb > early.python_mb + MOST_GROWTH_MB,
        "the memory of all": late.all_mb > LARGEST_MB,
        "the checkpoints' files": settled and late.files > early.files * MOST_GROWTH,
        "the state": settled and late.kilobytes > early.kilobytes * MOST_GROWTH,
    }
    if names := [name for name, has in grown.items() if has]:
        raise DrillError(f"{', '.join(names)} has grown: {early}, then {late}.")


CASES = (Case("hours", "24 simulated hours at high speed", day, stand),)
