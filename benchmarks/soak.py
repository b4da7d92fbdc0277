"""`make soak`: a whole sky, every stream, twenty viewers, and random kills, for an hour; nothing may be lost, repeated or grow.

The sky is the drill's: what Kafka acknowledged is known to the message, so what is lost can be told at the end.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import pictures, report
from benchmarks.viewer import Crowd, served
from pipeline.drill.comparison import SAME, Difference
from pipeline.drill.hours import measure as taken
from pipeline.drill.rig import Rig
from pipeline.errors import ContrailError
from pipeline.serving import Reader
from pipeline.tables import FLIGHTS_ML

AIRCRAFT, EVERY_SECONDS, VIEWERS, MINUTES = 12_000, 15, 20, 60
BETWEEN_KILLS_SECONDS = (60, 180)
SAMPLE_SECONDS = 10
COMPARED_MESSAGES = 400_000  # of more the rows do not fit into Python's memory: the audit alone judges them
KILLED = ("driver", "SparkSubmit", "kafka.Kafka", "pipeline.workers")
NAMES = {"driver": "driver", "SparkSubmit": "JVM", "kafka.Kafka": "broker", "pipeline.workers": "Python workers"}


@dataclass
class Soak:
    """What was seen: a row a sample (minutes since the start, lag in seconds, MB of all processes, files of the lake), and the kills.

    The lag is how much of the sky, in its own seconds, Silver has not yet taken.
    """

    samples: list[tuple[float, float, float, int]] = field(default_factory=list)
    kills: list[tuple[float, str]] = field(default_factory=list)
    messages: int = 0
    refreshes: int = 0
    unaccounted: str = ""
    difference: Difference | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing is lost, repeated or wrong."""
        return not self.unaccounted and self.difference in (None, SAME)


def measure(
    folder: Path,
    minutes: float,
    aircraft: int = AIRCRAFT,
    viewers: int = VIEWERS,
    between: tuple[float, float] = BETWEEN_KILLS_SECONDS,
) -> Soak:
    """Let it run, kill at random, then let everything come to rest and count."""
    found, chance = Soak(), random.Random(4)
    with soaking(folder, aircraft) as rig, served(rig.lake.root, folder) as (address, _):
        crowd, began = Crowd(address, viewers), time.monotonic()
        kill_at = chance.uniform(*between)
        while (now := time.monotonic() - began) < 60 * minutes:
            if now > kill_at:
                found.kills.append((now / 60, kill(rig, chance.choice(KILLED))))
                print(f"  {found.kills[-1][0]:.1f} min: kill -9 of the {found.kills[-1][1]}", flush=True)
                kill_at = now + chance.uniform(*between)
            found.samples.append((now / 60, lag(rig), memory(rig), files(rig)))
            time.sleep(min(SAMPLE_SECONDS, between[0]))
        found.refreshes = crowd.refreshes
        crowd.leave()
        rig.rest()
        found.messages = rig.flow.sent
        judge(rig, found)
    return found


@contextmanager
def soaking(folder: Path, aircraft: int) -> Iterator[Rig]:
    """A pipeline with a sky that flies in real time."""
    rig = Rig(folder / "rig")
    rig.aircraft, rig.every_seconds, rig.step_seconds = aircraft, EVERY_SECONDS, EVERY_SECONDS
    with rig.standing():
        yield rig


def kill(rig: Rig, who: str) -> str:
    """End a process as `kill -9` does; a driver is started again, everything else is the supervisor's work."""
    if who == "driver":
        rig.kill()
        rig.launch()
    else:
        for process in rig.children(who):
            with suppress(psutil.NoSuchProcess):
                process.kill()
    return NAMES[who]


def lag(rig: Rig) -> float:
    """Seconds of the sky that were sent and are not in Silver."""
    reader = Reader(rig.lake)
    if reader.refresh(FLIGHTS_ML) < 0:
        return 0.0
    newest = reader.one(FLIGHTS_ML, "max(snapshot_timestamp) AS newest")["newest"]
    sent = rig.flow.time - rig.flow.step_seconds
    return 0.0 if newest is None else max(0.0, sent - newest.timestamp())


def memory(rig: Rig) -> float:
    """MB of the driver and all that it started."""
    with suppress(psutil.NoSuchProcess):
        return taken(rig).all_mb
    return 0.0


def files(rig: Rig) -> int:
    """Files of the lake, its checkpoints included."""
    return sum(1 for path in Path(rig.lake.root).rglob("*") if path.is_file())


def judge(rig: Rig, found: Soak) -> None:
    """Nothing lost and nothing repeated: by the audit, and where the rows fit into memory by the independent computation."""
    if found.messages <= COMPARED_MESSAGES:
        found.difference = rig.judge()
        return
    try:
        report = rig.settle()
        found.unaccounted = "" if report.settled else report.as_text()
    except (ContrailError, TimeoutError) as error:
        found.unaccounted = str(error)


def words(found: Soak) -> list[tuple[str, str, str, bool]]:
    """The figures, each with its floor."""
    lost = f"{found.difference.lost} and {found.difference.repeated}" if found.difference else "0 and 0 by the audit"
    half = len(found.samples) // 2
    early, late = (max(mb for _, _, mb, _ in part) for part in (found.samples[:half], found.samples[half:]))
    lags = sorted(seconds for _, seconds, _, _ in found.samples)
    return [
        ("messages", f"{found.messages:,}", "", True),
        (
            "kills",
            ", ".join(f"{sum(name == one for _, name in found.kills)} {one}" for one in NAMES.values()),
            "",
            True,
        ),
        ("rows lost and repeated", found.unaccounted or lost, "0 and 0", found.holds),
        ("lag of Silver, median and worst", f"{lags[len(lags) // 2]:.0f} and {lags[-1]:.0f} s", "", True),
        ("memory, first and second half", f"{early:,.0f} and {late:,.0f} MB", "", True),
        ("files, first and last", f"{found.samples[0][3]:,} and {found.samples[-1][3]:,}", "", True),
        ("refreshes of the viewers", f"{found.refreshes:,}", "", True),
    ]


def tell(found: Soak, minutes: float, rows: Sequence[tuple[str, str, str, bool]]) -> None:
    """Write the section of docs/performance.md, with its picture."""
    pictures.over_time(
        report.DOCS / "performance-soak.png",
        "Lag and memory while processes are killed",
        found.samples,
        [at for at, _ in found.kills],
    )
    told = (
        f"{minutes:.0f} minutes, {AIRCRAFT:,} aircraft every {EVERY_SECONDS} s, every stream, {VIEWERS} viewers at 5 s; "
        "a kill -9 every one to three minutes of the driver, Spark's JVM, the broker or the Python workers, by chance."
    )
    table = report.table(["What", "Measured"], [[what, figure] for what, figure, _, _ in rows])
    picture = "![Lag and memory](performance-soak.png)"
    report.write("Soak", "\n\n".join([report.made_by(), told, picture, table]))


def main() -> int:
    """Soak for so many minutes; 1 when a row is lost or repeated."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    with tempfile.TemporaryDirectory(prefix="contrail-soak-") as folder:
        found = measure(Path(folder), minutes)
    rows = words(found)
    print("\n".join(f"{what:34} {figure}" for what, figure, _, _ in rows))
    tell(found, minutes, rows)
    return 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(main())
