"""What a view shows, as the URL says it: every parameter of the page, its default, its check, and its text.

A session has one `ViewState`. Tabs read and watch its parameters; `Address` keeps the browser's URL equal to it, and takes
nothing from a URL that is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import param

from explore import brush_text
from explore.brush import Brushes
from pipeline.alerting import REHEARSED
from pipeline.tables import PHASES

TABS = ("live", "map", "alerts", "history", "explore", "control")
VIEWS = ("figures", "tables", "brush")
RANGES = {"15m": 15, "1h": 60, "6h": 360}
LOWEST_M, HIGHEST_M = -1_000, 20_000
FARTHEST = 100_000
FIRST_YEAR, LAST_YEAR = 1970, 2100
LONGEST_LIST, LONGEST_TEXT = 50, 60


class ViewState(param.Parameterized):
    """The view of one session. Moments are aware datetimes in UTC or None; altitudes are in metres, shares in percent."""

    tab = param.Selector(default="live", objects=list(TABS))
    theme = param.Selector(default="light", objects=["light", "dark"])
    range = param.Selector(default="1h", objects=list(RANGES))
    phases = param.List(default=[], item_type=str)
    countries = param.List(default=[], item_type=str)
    altitudes = param.Tuple(default=(LOWEST_M, HIGHEST_M), length=2)
    find = param.String(default="")
    aircraft = param.String(default="")
    threshold = param.Number(default=10.0)
    least = param.Integer(default=5)
    moved = param.Parameter(default=None)
    since = param.Parameter(default=None)
    until = param.Parameter(default=None)
    asof = param.Parameter(default=None)
    compare = param.Boolean(default=False)
    view = param.Selector(default="figures", objects=list(VIEWS))
    figure = param.String(default="")
    query = param.String(default="")
    brushed = param.ClassSelector(default=Brushes(), class_=Brushes)


@dataclass(frozen=True)
class Parameter:
    """How a parameter of the URL is read (ValueError says what is allowed) and written."""

    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


def one_of(*allowed: str) -> Callable[[str], str]:
    """A word out of a fixed set."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return read


def several(separator: str, allowed: tuple[str, ...] | None = None) -> Parameter:
    """A list of words, out of a fixed set where there is one."""

    def read(text: str) -> list[str]:
        words = [word for word in text.split(separator) if word]
        if len(words) > LONGEST_LIST or any(len(word) > LONGEST_TEXT for word in words):
            raise ValueError(f"at most {LONGEST_LIST} names of {LONGEST_TEXT} letters")
        if allowed and not set(words) <= set(allowed):
            raise ValueError(f"some of {', '.join(allowed)}")
        return words

    return Parameter(read, separator.join)


def matching(pattern: str, words: str) -> Callable[[str], str]:
    """A text of a form."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(words)
        return text

    return read


def number(least: float, most: float, kind: type[int] | type[float] = float) -> Callable[[str], Any]:
    """A number in [least, most]."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = kind(least) - 1
        if not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return value

    return read


def altitudes(text: str) -> tuple[int, int]:
    """A band of altitudes in metres, `low..high`."""
    found = re.fullmatch(r"(-?\d{1,5})\.\.(-?\d{1,5})", text)
    low, high = (int(found[1]), int(found[2])) if found else (1, 0)
    if not LOWEST_M <= low < high <= HIGHEST_M:
        raise ValueError(f"low..high in metres, from {LOWEST_M} to {HIGHEST_M}")
    return low, high


def moved(text: str) -> tuple[str, float]:
    """A limit of the rehearsal and where it is moved to, `reason:value` in the limit's unit."""
    reason, _, bound = text.partition(":")
    one_of(*REHEARSED)(reason)
    return reason, number(-FARTHEST, FARTHEST)(bound)


def moment(text: str) -> datetime:
    """A moment as ISO 8601; UTC where no zone is named."""
    try:
        found = datetime.fromisoformat(text)
        aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("a moment such as 2026-11-24T06:30Z") from None
    if not FIRST_YEAR <= aware.year < LAST_YEAR:
        raise ValueError(f"a moment from {FIRST_YEAR} to {LAST_YEAR}")
    return aware


def as_moment(value: datetime) -> str:
    """A moment as the URL has it, to the minute."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


PARAMETERS = {
    "tab": Parameter(one_of(*TABS)),
    "theme": Parameter(one_of("light", "dark")),
    "range": Parameter(one_of(*RANGES)),
    "phases": several(",", PHASES),
    "countries": several(";"),
    "altitudes": Parameter(altitudes, lambda band: f"{band[0]}..{band[1]}"),
    "find": Parameter(matching(r"[A-Za-z0-9 ]{0,8}", "at most 8 letters, digits and blanks")),
    "aircraft": Parameter(matching(r"([0-9a-f]{6})?", "six hex digits in lower case")),
    "threshold": Parameter(number(0, 100), lambda share: f"{share:g}"),
    "least": Parameter(number(1, 1000, int)),
    "moved": Parameter(moved, lambda limit: f"{limit[0]}:{limit[1]:g}"),
    "since": Parameter(moment, as_moment),
    "until": Parameter(moment, as_moment),
    "asof": Parameter(moment, as_moment),
    "compare": Parameter(lambda text: one_of("yes", "no")(text) == "yes", lambda on: "yes" if on else "no"),
    "view": Parameter(one_of(*VIEWS)),
    "figure": Parameter(matching(r"[a-z_]{0,40}", "the name of a figure")),
    "query": Parameter(matching(r"[a-z_]{0,40}", "the name of a query")),
    "brushed": Parameter(brush_text.read, brush_text.written),
}


def read(search: str, state: ViewState) -> list[str]:
    """Take a URL's query into the state; returns a sentence for each parameter that was not taken."""
    refused, taken = [], {}
    for name, text in parse_qsl(search.lstrip("?"), keep_blank_values=True):
        if name not in PARAMETERS:
            refused.append(f"The address has {name[:LONGEST_TEXT]!r}, which no view knows; it was left out.")
            continue
        try:
            taken[name] = PARAMETERS[name].read(text)
        except ValueError as allowed:
            refused.append(
                f"The address has {name}={text[:LONGEST_TEXT]!r}, but it has to be {allowed}; it was left out."
            )
    if None not in (taken.get("since"), taken.get("until")) and taken["since"] >= taken["until"]:
        refused.append("The address has a range that ends before it begins; it was left out.")
        del taken["since"], taken["until"]
    state.param.update(**taken)
    return refused


def written(state: ViewState) -> str:
    """The URL's query for a state: what is not at its default."""
    values = {name: getattr(state, name) for name in PARAMETERS}
    told = {name: value for name, value in values.items() if value != state.param[name].default}
    query = urlencode({name: PARAMETERS[name].write(value) for name, value in told.items()})
    return f"?{query}" if query else ""


class Address:
    """The session's URL, kept equal to its state."""

    def __init__(self, location: Any, state: ViewState) -> None:
        self._location, self._state = location, state
        self.refused = read(location.search or "", state)
        state.param.watch(self._write, list(PARAMETERS))

    def open_anew(self) -> None:
        """Let the browser open this address again."""
        self._location.reload = True

    def _write(self, *_: Any) -> None:
        search = written(self._state)
        if self._location.search != search:
            self._location.search = search
