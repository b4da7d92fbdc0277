"""To the screen: from the producer's send until the browser draws a chart that shows all of the answer.

That a frame shows an answer is told by what is in it: the aircraft that the chart counts in the minutes of the answer are as many as
in the version of Gold that has taken all of it. Those counts only rise, so a later version cannot be mistaken for an earlier one.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from playwright.sync_api import sync_playwright

from benchmarks.page import FLAGS, WARM_UP_SECONDS, served, wait_for_figures
from pipeline import ops
from pipeline.serving import Reader
from pipeline.settings import load
from pipeline.tables import BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake, Table, lake_of

MINUTE_SECONDS = 60
REACH_MINUTES = 6  # an answer has reports as old as five minutes
# What the chart over time holds, minute by minute, at each frame that draws it.
WATCH = """(phases) => {
  window.drawn = []
  for (const source of Bokeh.documents[0].all_models)
    if (source.type === "ColumnDataSource" && source.data.hatch !== undefined && source.data.CRUISE !== undefined)
      source.properties.data.change.connect(() => requestAnimationFrame(() => {
        const minutes = Array.from(source.data.minute), at = Date.now() / 1000
        const aircraft = minutes.map((_, place) => phases.reduce((sum, phase) => sum + (source.data[phase][place] || 0), 0))
        window.drawn.push([at, minutes.slice(-20).map((minute) => minute / 1000), aircraft.slice(-20)])
      }))
}"""
SPANS = ("Bronze", "Silver", "Gold", "screen")
# Of Gold's two streams the one that the chart shows.
STREAMS = {"bronze": "Bronze", "silver": "Silver", "flight_phase_counts": "Gold"}
# The parts of a batch, by the names that Spark's progress reports have for them; what is not in a batch is waiting for it.
WAITING = "waiting for the last message and the next poll"
DRAWING = "the page: its look at Gold, its message, the frame"
PARTS = {
    "looking for what is new": ("latestOffset", "getBatch"),
    "planning": ("queryPlanning",),
    "rows: read, worked on, committed": ("addBatch",),
    "notes in the checkpoint": ("walCommit", "commitOffsets"),
}
SAMPLED_SECONDS = 0.5


@dataclass(frozen=True)
class Screen:
    """Seconds from the producer's send of each answer until each of `SPANS` had all of it; shape (answers, 4).

    `batches`: median seconds of each of `PARTS` in the batches of Bronze, Silver and Gold.
    """

    reached: np.ndarray
    batches: dict[str, dict[str, float]] = field(default_factory=dict)

    def percentile(self, share: float) -> float:
        """Seconds within which this share (0 to 100) of the answers was on the screen."""
        return float(np.percentile(self.reached[:, -1], share, method="higher"))

    @property
    def lost(self) -> int:
        """Answers that never reached the screen."""
        return int(np.isinf(self.reached[:, -1]).sum())

    def spans(self) -> dict[str, float]:
        """Median seconds of each step on the way, of the answers that reached the screen."""
        arrived = self.reached[np.isfinite(self.reached[:, -1])]
        steps = np.diff(arrived, axis=1, prepend=0.0)
        return dict(zip(SPANS, map(float, np.median(steps, axis=0)), strict=True))

    def parts(self) -> dict[str, dict[str, float]]:
        """Each step in its parts; what no batch spends of it is waiting."""
        steps = self.spans()
        parts = {name: self.batches.get(name, {}) for name in STREAMS.values()}
        told = {name: {WAITING: max(0.0, steps[name] - sum(one.values()))} | one for name, one in parts.items()}
        return told | {SPANS[-1]: {DRAWING: steps[SPANS[-1]]}}


@dataclass(frozen=True)
class _Version:
    """A commit of Gold's phase counts: when, how many observations it holds, and aircraft per minute."""

    at: float
    observations: int
    aircraft: dict[float, float]

    def within(self, minutes: list[float]) -> float:
        return sum(self.aircraft.get(minute, 0.0) for minute in minutes)


def measure(folder: Path, seconds: float, warm_up: float = WARM_UP_SECONDS) -> Screen:
    """Serve the page with its pipeline, look at it for `seconds`, and find each answer of that time in the frames."""
    with served(folder) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page()
        page.goto(address)
        wait_for_figures(page)
        time.sleep(warm_up)
        page.evaluate(WATCH, list(PHASES))
        began, lake = time.time(), lake_of(load({}, data=str(folder)))
        batches = _parts_of_batches(lake, began + seconds)
        frames, ended = page.evaluate("window.drawn"), time.time()
        browser.close()
    return replace(found(lake, frames, began, ended - seconds / 10), batches=batches)


def _parts_of_batches(lake: Lake, until: float) -> dict[str, dict[str, float]]:
    """Median seconds of the parts of each stream's batches, as the status tells of the last one again and again."""
    seen: dict[str, dict[int, dict[str, float]]] = {step: {} for step in STREAMS.values()}
    while time.time() < until:
        status = ops.read(lake, ops.STATUS)
        for stream, step in STREAMS.items() if status else ():
            detail = status["parts"][stream]["detail"]
            if detail.get("duration_ms"):
                seen[step][detail["batch_id"]] = detail["duration_ms"]
        time.sleep(SAMPLED_SECONDS)
    return {
        step: {
            part: float(np.median([sum(spent.get(name, 0) for name in names) for spent in batches.values()])) / 1000
            for part, names in PARTS.items()
        }
        for step, batches in seen.items()
    }


def found(lake: Lake, frames: list[Any], since: float, until: float) -> Screen:
    """The way of each answer that was sent in [since, until); infinite where it did not arrive. RuntimeError when none did."""
    reader = Reader(lake)
    answers = reader.rows(
        FLIGHTS_ML,
        "snapshot_timestamp, min(ingest_timestamp) AS sent, max(ingest_timestamp) AS last, count(*) AS n, max(event_timestamp) AS newest",
        "GROUP BY 1 ORDER BY 1",
    )
    needed = np.cumsum([one["n"] for one in answers])
    messages = [_sent_until(reader, one["last"]) for one in answers]
    silver, bronze = _commits(lake, FLIGHTS_ML), _commits(lake, BRONZE)
    gold = list(_versions(lake))
    shown = [(at, dict(zip(minutes, aircraft, strict=True))) for at, minutes, aircraft in frames]
    reached = []
    for one, rows, sent_rows in zip(answers, needed, messages, strict=True):
        sent = one["sent"].timestamp()
        if since <= sent < until:
            version = next((version for version in gold if version.observations >= rows), None)
            times = [_first(bronze, sent_rows), _first(silver, rows), np.inf if version is None else version.at]
            times.append(np.inf if version is None else _drawn(shown, version, one["newest"].timestamp()))
            reached.append([at - sent for at in times])
    if not any(one[-1] < np.inf for one in reached):
        raise RuntimeError(f"None of {len(reached)} answers reached the screen")
    return Screen(np.array(reached))


def _drawn(frames: list[tuple[float, dict[float, float]]], version: _Version, newest: float) -> float:
    """When a frame first counted as many aircraft as this version in the minutes up to the newest report."""
    last = newest - newest % MINUTE_SECONDS
    minutes = [last - MINUTE_SECONDS * back for back in range(REACH_MINUTES)]
    whole = version.within(minutes)
    # A frame is of a version that was there before it, whatever the clocks' last millisecond says.
    return next((at for at, aircraft in frames if sum(aircraft.get(one, 0.0) for one in minutes) >= whole), np.inf)


def _versions(lake: Lake) -> Iterator[_Version]:
    for commit in reversed(lake.open(FLIGHT_PHASE_COUNTS).history()):
        reader = Reader(lake)
        reader.load(FLIGHT_PHASE_COUNTS, int(commit["version"]))
        summed = (
            "window_start, sum(observations) AS n, sum(aircraft) AS aircraft, min(first_snapshot_timestamp) AS first"
        )
        rows = reader.rows(FLIGHT_PHASE_COUNTS, summed, "GROUP BY 1")
        # A minute in which nobody asked for an answer is a gap in the chart, whatever late reports say of it.
        sampled = [row for row in rows if row["first"] < row["window_start"] + timedelta(seconds=MINUTE_SECONDS)]
        aircraft = {row["window_start"].timestamp(): float(row["aircraft"]) for row in sampled}
        yield _Version(commit["timestamp"] / 1000, sum(row["n"] for row in rows), aircraft)


def _commits(lake: Lake, table: Table) -> list[tuple[float, int]]:
    """When each version was written, and how many rows it holds."""
    made = []
    for commit in reversed(lake.open(table).history()):
        adds = pa.table(lake.open(table, int(commit["version"])).get_add_actions(flatten=True))
        made.append((commit["timestamp"] / 1000, sum(adds["num_records"].to_pylist())))
    return made


def _first(commits: list[tuple[float, int]], rows: int) -> float:
    return next((at for at, total in commits if total >= rows), np.inf)


def _sent_until(reader: Reader, moment: Any) -> int:
    stamp = (moment + timedelta(milliseconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return int(reader.one(BRONZE, "count(*) AS n", f"WHERE kafka_timestamp < TIMESTAMP '{stamp}'")["n"])


if __name__ == "__main__":
    screen = measure(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
    print(screen, screen.parts(), screen.percentile(50), screen.percentile(95))
