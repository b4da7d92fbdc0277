"""Moments in UTC on the History tab: the pickers of one, and the range that a view's state asks for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import panel_material_ui as pmui
from header import update
from view_state import ViewState

from pipeline import serving
from pipeline.serving import MINUTE

HOUR = timedelta(hours=1)


class MomentPicker:
    """A date and a time of day, both in UTC wherever the browser is.

    Two pickers because one of both would show and read the browser's own zone.
    """

    def __init__(self, label: str) -> None:
        self._date = pmui.DatePicker(label=f"{label}, date (UTC)", size="small", width=170, margin=0)
        self._time = pmui.TimePicker(
            label=f"{label}, time (UTC)", clock="24h", format="HH:mm", size="small", width=150, margin=0
        )
        self.parts = self._date, self._time

    @property
    def value(self) -> datetime | None:
        """The moment that is picked; None while its date or time is missing."""
        day, clock = self._date.value, self._time.value
        if not day or not clock:
            return None
        day = date.fromisoformat(str(day)[:10])
        clock = time.fromisoformat(str(clock)[:5])
        return datetime.combine(day, clock, UTC)

    def put(self, moment: datetime) -> None:
        """Show a moment."""
        moment = moment.astimezone(UTC)
        update(self._date, value=moment.date())
        update(self._time, value=moment.time().replace(second=0, microsecond=0))


def wanted(state: ViewState, newest: datetime) -> tuple[datetime, datetime] | str:
    """The range of full minutes that a state asks for, or a sentence why there is none.

    Without an end it is the last full minute's; without a beginning it is an hour before the end.
    """
    full = serving.last_full_minute(newest) + MINUTE
    until = full if state.until is None else min(_minute(state.until), full)
    since = (
        (full if state.until is None else _minute(state.until)) - HOUR if state.since is None else _minute(state.since)
    )
    if state.until is not None and since >= _minute(state.until):
        return "The range ends before it begins: choose an earlier beginning or a later end."
    if since >= until:
        return f"The range begins at {words(since)}, but the newest full minute ends at {words(full)}: choose an earlier one."
    return since, until


def words(moment: datetime) -> str:
    """A moment in UTC, to the minute where it is a full one."""
    return f"{moment.astimezone(UTC):{'%Y-%m-%d %H:%M:%S' if moment.second else '%Y-%m-%d %H:%M'}} UTC"


def _minute(moment: datetime) -> datetime:
    found: datetime = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return found
