"""Where position reports come from: OpenSky, a simulated sky, or a recording; one interface for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

# The API's state vector, in its order (OpenSky REST API documentation, /states/all; index 17 with extended=1).
FIELDS = (
    "icao24",
    "callsign",
    "origin_country",
    "time_position",
    "last_contact",
    "longitude",
    "latitude",
    "baro_altitude",
    "on_ground",
    "velocity",
    "true_track",
    "vertical_rate",
    "sensors",
    "geo_altitude",
    "squawk",
    "spi",
    "position_source",
    "category",
)


@dataclass(frozen=True)
class Answer:
    """One answer of the API: `time` in seconds since 1970, and a list of state vectors (lists in the order of FIELDS)."""

    time: int
    states: list[list[Any]]


Wait = Callable[[float], bool]
"""Waits so many seconds; True as soon as the feed is to stop."""

Report = Callable[..., None]
"""Takes what a source has to say of itself (`credits_left=…`, `waiting=…`), for the feed's status."""


class Source(Protocol):
    """A feed: `name` goes into each message, `answers` yields until the feed ends or `wait` says to stop."""

    name: str

    def answers(self, wait: Wait, report: Report) -> Iterator[Answer]:
        """Answers in the order of their time, each at its moment."""
        ...
