"""What the History tab says and hands over: the range in words, and as a CSV file."""

from __future__ import annotations

import pandas as pd
from history_moment import words

from pipeline import past
from pipeline.past import Range
from pipeline.serving import MINUTE
from pipeline.tables import PHASES


def empty(found: Range) -> str:
    """That no minute of a range was sampled, and what there is instead."""
    span = f"{words(found.since)} to {words(found.until)}"
    if found.extent is None:
        return f"No minute from {span} was sampled: the table is still empty."
    return f"No minute from {span} was sampled: the table holds {words(found.extent[0])} to {words(found.extent[1])}."


def sentence(found: Range) -> str:
    """What is drawn: the range, how much of it was sampled, what a point stands for, and whether there is a day before."""
    step = past.step_minutes(found.since, found.until)
    minutes = int((found.until - found.since) / MINUTE)
    sampled = int(found.steps["sampled"].sum())
    told = f"{words(found.since)} to {words(found.until)}: {sampled:,} of {minutes:,} minutes sampled; a gap is time without reports."
    if step > 1:
        told += f" A point is the mean of the sampled minutes in {step:,} minutes."
    if found.before is not None and not found.before["sampled"].notna().any():
        told += " There is no data of the day before."
    return told


def file_name(found: Range) -> str:
    """A name that carries the range."""
    return f"contrail-history-{found.since:%Y%m%dT%H%MZ}-{found.until:%Y%m%dT%H%MZ}.csv"


def csv(found: Range) -> str:
    """What is drawn, as CSV: times in ISO 8601 (UTC), missing values empty."""
    columns = ["sampled", *PHASES, "anomaly_rate"]
    named = {"sampled": "sampled_minutes"} | {phase: f"aircraft_{phase.lower()}" for phase in PHASES}
    table = found.steps[columns].rename(columns=named)
    if found.before is not None:
        table = table.join(found.before[columns].rename(columns=named).add_suffix("_day_before"))
    table.insert(0, "step_start", pd.DatetimeIndex(table.index).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return table.to_csv(index=False)
