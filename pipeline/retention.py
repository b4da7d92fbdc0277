"""How long things are kept. One promise, and everything that is deleted by age is deleted later than it needs.

A stream, a reader or the whole driver may stand still for `LONGEST_STOP` and go on without a loss; a reset can be undone as
long. Kafka's messages, the versions of a table and the files that they name are kept for `KEPT`, which is longer: the margin
is for a stop that was noticed late, and for the time that catching up takes.
"""

from __future__ import annotations

from datetime import timedelta

LONGEST_STOP = timedelta(days=2)
KEPT = timedelta(days=3)


def days(span: timedelta) -> int:
    """A span as whole days."""
    return span.days


def hours(span: timedelta) -> int:
    """A span as whole hours."""
    return int(span / timedelta(hours=1))


def milliseconds(span: timedelta) -> int:
    """A span as milliseconds, as Kafka counts."""
    return int(span / timedelta(milliseconds=1))
