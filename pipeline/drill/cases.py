"""All faults of the drill, in the order in which they are done."""

from __future__ import annotations

from pipeline.drill import api, browser, disk, hours, kills, messages, stores, tables
from pipeline.drill.case import Case
from pipeline.errors import DrillError

CASES: tuple[Case, ...] = (
    *kills.CASES,
    *messages.CASES,
    *browser.CASES,
    *tables.CASES,
    *disk.CASES,
    *api.CASES,
    *stores.CASES,
    *hours.CASES,
)


def chosen(names: list[str]) -> tuple[Case, ...]:
    """The cases that are named, all when none is. Raises DrillError for a name that is none."""
    known = {case.name: case for case in CASES}
    for name in names:
        if name not in known:
            raise DrillError(f"There is no case {name!r}; there are {', '.join(known)}.")
    return tuple(known[name] for name in names) or CASES
