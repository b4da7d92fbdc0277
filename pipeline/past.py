"""The past as the History tab shows it: any range of Gold in a few hundred steps, and the tables as they were. Without Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline import serving
from pipeline.errors import LakeError
from pipeline.serving import ALERT_WINDOW, MINUTE, Headline, Reader, between
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake, Table

POINTS = 600
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
DAY = timedelta(days=1)
LOOKED_AT = (FLIGHTS_ML, FLIGHT_PHASE_COUNTS, ANOMALY_ALERTS)
COMMITS = 200


@dataclass(frozen=True)
class Then:
    """What the tables said at a moment: their versions then, when those were committed, and the headline they gave.

    `now` is the same minute as the tables tell it today; both are None where no minute had been sampled.
    """

    asof: datetime
    versions: Mapping[str, int]
    committed: Mapping[str, datetime]
    newest: datetime | None
    then: Headline | None
    now: Headline | None


@dataclass(frozen=True, eq=False)
class Range:
    """`steps` of [since, until) as `history` returns them, and where it was asked for those of a day earlier (`before`).

    `before` has the index of `steps`; `extent` is what the table holds at all.
    """

    since: datetime
    until: datetime
    steps: pd.DataFrame
    before: pd.DataFrame | None
    extent: tuple[datetime, datetime] | None


def step_minutes(since: datetime, until: datetime) -> int:
    """The shortest step that cuts a range into `POINTS` or fewer."""
    least = (until - since) / MINUTE / POINTS
    return next((step for step in STEPS if step >= least), STEPS[-1] * int(np.ceil(least / STEPS[-1])))


def history(reader: Reader, since: datetime, until: datetime) -> pd.DataFrame:
    """Each step of [since, until): aircraft per phase (mean of its sampled minutes), `sampled` minutes, `anomaly_rate`.

    Steps are as long as `step_minutes` says and begin at full ones. A step without a sampled minute is NaN, and a phase without
    a row in a sampled minute had no aircraft. `anomaly_rate` (0 to 1) takes the windows of five minutes that end in the step.
    """
    for table in (FLIGHT_PHASE_COUNTS, ANOMALY_ALERTS):
        reader.refresh(table)
    step = step_minutes(since, until)
    index = pd.date_range(_floor(since, step), until, freq=f"{step}min", inclusive="left")
    phases = _phases(reader, since, until, step).reindex(index)
    return phases.assign(anomaly_rate=_rates(reader, since, until, step).reindex(index))


def looked_up(reader: Reader, since: datetime, until: datetime, compare: bool) -> Range:
    """A range, and when asked for the same range a day earlier."""
    steps, before = history(reader, since, until), None
    if compare:
        before = history(reader, since - DAY, until - DAY)
        # Steps of more than a day need not begin where those of a day earlier do.
        before = before.shift(freq=DAY).reindex(steps.index, method="nearest")
    return Range(since, until, steps, before, extent(reader))


def extent(reader: Reader) -> tuple[datetime, datetime] | None:
    """The first minute of `flight_phase_counts` and the end of its last; None while it is empty."""
    reader.refresh(FLIGHT_PHASE_COUNTS)
    found = reader.one(FLIGHT_PHASE_COUNTS, "min(window_start) AS first, max(window_end) AS last")
    return None if found["first"] is None else (found["first"].astimezone(UTC), found["last"].astimezone(UTC))


def as_of(reader: Reader, moment: datetime) -> Then:
    """The headline as the tables told it at a moment, beside what they tell of the same minute now.

    LakeError says so when the moment is before a table's first commit, or older than what is kept.
    """
    found = {table.name: version_at(reader.lake, table, moment) for table in LOOKED_AT}
    past = Reader(reader.lake)
    for table in LOOKED_AT:
        past.load(table, found[table.name][0])
    newest, then = _told(past, moment)
    if then is None:
        return Then(moment, *_split(found), newest, None, None)
    for table in LOOKED_AT:
        reader.refresh(table)
    return Then(moment, *_split(found), newest, then, _of_minute(reader, then.window_start))


def version_at(lake: Lake, table: Table, moment: datetime) -> tuple[int, datetime]:
    """The newest version that had been committed by a moment, and when that was; LakeError when there is none any more."""
    opened, count = lake.open(table), COMMITS
    while True:
        commits = opened.history(count)
        for commit in commits:
            if (at := _committed(commit)) <= moment:
                return int(commit["version"]), at
        if len(commits) < count:
            break
        count *= 8
    first = commits[-1]
    if int(first["version"]) == 0:
        raise LakeError(
            f"At {moment:%Y-%m-%d %H:%M} UTC there was no table {table.name} yet: its first commit is of {_words(first)}. "
            "Choose a later moment."
        )
    raise LakeError(
        f"{moment:%Y-%m-%d %H:%M} UTC is older than what is kept of {table.name}: its log begins at {_words(first)}. "
        "Choose a later moment."
    )


def _told(past: Reader, moment: datetime) -> tuple[datetime | None, Headline | None]:
    """The newest observation and the headline that the loaded versions tell."""
    try:
        newest = serving.newest_event(past)
        return newest, None if newest is None else _headline(past, newest, serving.last_full_minute(newest) + MINUTE)
    except Exception as error:  # DataFusion's reader raises nothing narrower for a file that is gone
        if "not found" not in str(error).lower():
            raise
        raise LakeError(
            f"The tables of {moment:%Y-%m-%d %H:%M} UTC cannot be read any more: files they were made of have been cleaned "
            "away. Choose a later moment."
        ) from error


def _of_minute(reader: Reader, minute: datetime) -> Headline | None:
    newest = serving.newest_event(reader)
    return None if newest is None else _headline(reader, newest, minute + MINUTE, MINUTE)


def _headline(
    reader: Reader, newest: datetime, until: datetime, back: timedelta = timedelta(hours=1)
) -> Headline | None:
    minutes = serving.phase_minutes(reader, until - back, until, newest)
    return serving.headline(minutes, serving.trend(reader, until - back, until, pd.DataFrame()))


def _split(found: Mapping[str, tuple[int, datetime]]) -> tuple[dict[str, int], dict[str, datetime]]:
    return {name: one[0] for name, one in found.items()}, {name: one[1] for name, one in found.items()}


def _committed(commit: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)


def _words(commit: Mapping[str, Any]) -> str:
    return f"{_committed(commit):%Y-%m-%d %H:%M:%S} UTC"


def _floor(moment: datetime, step: int) -> datetime:
    seconds = step * 60
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _bin(step: int, column: str = "window_start") -> str:
    return f"date_bin(INTERVAL '{step} minutes', {column}) AS step"


def _phases(reader: Reader, since: datetime, until: datetime, step: int) -> pd.DataFrame:
    """Mean aircraft per phase over the sampled minutes of each step that has any, and how many those are."""
    sampled = _sampled(since, until, MINUTE)
    minutes = reader.frame(
        FLIGHT_PHASE_COUNTS, f"{_bin(step)}, count(DISTINCT window_start) AS sampled", f"{sampled} GROUP BY 1"
    ).set_index("step")["sampled"]
    sums = reader.frame(
        FLIGHT_PHASE_COUNTS, f"{_bin(step)}, flight_phase, sum(aircraft) AS aircraft", f"{sampled} GROUP BY 1, 2"
    )
    table = sums.pivot(index="step", columns="flight_phase", values="aircraft").reindex(columns=list(PHASES))
    return table.fillna(0.0).astype(float).div(minutes, axis=0).assign(sampled=minutes)


def _rates(reader: Reader, since: datetime, until: datetime, step: int) -> pd.Series:
    """Anomalous among all aircraft, over the sampled windows whose last minute lies in each step."""
    offset = ALERT_WINDOW - MINUTE
    rates = reader.frame(
        ANOMALY_ALERTS,
        f"{_bin(step, f'''window_start + INTERVAL '{offset // MINUTE} minutes' ''')}, "
        "CAST(sum(anomalous_aircraft) AS DOUBLE) / sum(aircraft) AS anomaly_rate",
        f"{_sampled(since - offset, until - offset, ALERT_WINDOW)} GROUP BY 1",
    )
    return rates.set_index("step")["anomaly_rate"]


def _sampled(since: datetime, until: datetime, width: timedelta) -> str:
    """A condition: the window starts in [since, until), and an answer was asked for while it lasted."""
    where = between(since, until)
    looked = f"min(first_snapshot_timestamp) < window_start + INTERVAL '{width // MINUTE} minutes'"
    return f"{where} AND window_start IN (SELECT window_start FROM t {where} GROUP BY window_start HAVING {looked})"
