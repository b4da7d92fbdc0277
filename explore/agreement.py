"""How often the model and the rule name the same phase, over time: counted exactly, in the tables of predictions.

Live predictions are shown where the range has any, else those of the last training for its honest test. Observations that the
model may have learned from are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explore.sample import Sample
from explore.style import LOOKS, SMALL_POINTS, canvas, clock, dress, in_words
from pipeline.palette import PHASE_COLOURS
from pipeline.serving import Reader, between
from pipeline.tables import HELD_OUT_PREDICTIONS, PHASE_PREDICTIONS, PHASES, Table

STEPS_MINUTES = (1, 5, 15, 60, 360, 1440)
MOST_STEPS = 90
LEAST_A_STEP = 20
NOTHING = "No observation in this range has a phase by the model: run `contrail train`, then start the stream phase_predictions."


def counted(
    reader: Reader, since: datetime, until: datetime, countries: Sequence[str] = (), phases: Sequence[str] = ()
) -> Sample:
    """Unseen predictions a minute and phase of the rule, as a sample whose `flights` has `event_timestamp` (the minute),
    `flight_phase`, `rows` and `agreeing`; `of` is the sum of `rows`."""
    where = between(since, until, "event_timestamp") + " AND unseen"
    where += _among("origin_country", countries) + _among("flight_phase", phases)
    found, table, version = pd.DataFrame(), PHASE_PREDICTIONS, -1
    for table in (PHASE_PREDICTIONS, HELD_OUT_PREDICTIONS):
        version = reader.refresh(table)
        found = _counts(reader, table, where) if version >= 0 else found
        if len(found):
            break
    of = int(found["rows"].sum()) if len(found) else 0
    return Sample(found, of, since, until, version, tuple(countries), tuple(phases), table=table.name)


def _counts(reader: Reader, table: Table, where: str) -> pd.DataFrame:
    columns = (
        "date_trunc('minute', event_timestamp) AS event_timestamp, flight_phase, count(*) AS rows, "
        "sum(CASE WHEN flight_phase = predicted_phase THEN 1 ELSE 0 END) AS agreeing"
    )
    return reader.frame(table, columns, f"{where} GROUP BY 1, 2 ORDER BY 1, 2")


def _among(column: str, names: Sequence[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f" AND {column} IN ({quoted})" if names else ""


def agreement(counts: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """Percent of observations whose phase by the model is the rule's: all of them, and each phase, in steps of time."""
    if "agreeing" not in counts or counts.empty:
        return in_words(NOTHING, theme, narrow)
    look, figure, step = LOOKS[theme], canvas(theme, narrow), step_minutes(counts)
    ax = figure.subplots()
    for phase in PHASES:
        of_phase = counts[counts["flight_phase"] == phase]
        if len(of_phase):
            words = f"{phase}  {_percent(of_phase)}  ({of_phase['rows'].sum():,})"
            _line(ax, shares(of_phase, step), PHASE_COLOURS[phase], 1.0, words)
    _line(ax, shares(counts, step), look.ink, 2.2, f"all  {_percent(counts)}  ({counts['rows'].sum():,})")
    few = f"; steps with fewer than {LEAST_A_STEP} observations are left out" if not narrow else ""
    dress(ax, look, f"UTC, steps of {step} min{few}", "% of observations with the rule's phase", "both")
    low = min(float(np.nanmin(np.asarray(line.get_ydata(), float), initial=100)) for line in ax.lines)
    low = max(0.0, 10 * np.floor((low - 1) / 10))
    ax.set_ylim(low - 0.03 * (100 - low), 100 + 0.03 * (100 - low))
    beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.45, -0.22), "ncols": 2, "columnspacing": 1.0}
    ax.legend(frameon=False, labelcolor=look.ink, fontsize=SMALL_POINTS, **(below if narrow else beside))
    clock(ax, 4 if narrow else 8)
    return figure


def shares(counts: pd.DataFrame, step: int) -> pd.Series[float]:
    """Percent agreeing in each `step` minutes; NaN where there are too few observations to say."""
    at = counts["event_timestamp"].dt.floor(f"{step}min")
    sums = counts.groupby(at)[["agreeing", "rows"]].sum()
    sums = sums.reindex(pd.date_range(at.min(), at.max(), freq=f"{step}min"), fill_value=0)
    enough = sums["rows"] >= min(LEAST_A_STEP, int(sums["rows"].max()))
    share: pd.Series[float] = 100 * sums["agreeing"] / sums["rows"].where(enough & (sums["rows"] > 0), np.nan)
    return share


def step_minutes(counts: pd.DataFrame) -> int:
    """The shortest step of which the range has at most ninety."""
    minutes = (counts["event_timestamp"].max() - counts["event_timestamp"].min()) / timedelta(minutes=1)
    return next((step for step in STEPS_MINUTES if minutes / step <= MOST_STEPS), STEPS_MINUTES[-1])


def _line(ax: Axes, share: pd.Series[float], colour: str, width: float, words: str) -> None:
    alone = share.notna() & share.shift().isna() & share.shift(-1).isna()
    ax.plot(share.index, share, color=colour, linewidth=width, label=words)
    ax.plot(share.index[alone], share[alone], "o", color=colour, markersize=3)


def _percent(counts: pd.DataFrame) -> str:
    return f"{100 * counts['agreeing'].sum() / counts['rows'].sum():.1f} %"
