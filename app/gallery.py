"""Pictures of the figures, for all sessions: one worker draws, and a picture is kept until the table has moved on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from hub import Hub

from explore import figures
from explore.sample import Sample, taken
from explore.style import png
from pipeline.serving import Reader
from pipeline.status_words import LABELS

KEPT_PICTURES, KEPT_SAMPLES = 64, 8
KEPT_FOR = timedelta(minutes=1)
DPI = 160


@dataclass(frozen=True)
class Range:
    """Which reports: [since, until), where `until` is the last full minute and `since` is `minutes` before when they are None."""

    lake: str
    minutes: int
    since: datetime | None
    until: datetime | None
    countries: tuple[str, ...]
    phases: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What someone wants to see."""

    figure: str
    theme: str
    narrow: bool
    range: Range


class Kept(Protocol):
    """What is kept: of which table and version of it, and when that was read."""

    @property
    def table(self) -> str:
        """The table's name."""

    @property
    def version(self) -> int:
        """The table's version."""

    @property
    def read_at(self) -> datetime:
        """The moment when it was read, UTC."""


@dataclass(frozen=True)
class Taken:
    """A sample, and when it was read."""

    sample: Sample
    read_at: datetime

    @property
    def table(self) -> str:
        """The table's name."""
        return self.sample.table

    @property
    def version(self) -> int:
        """The table's version."""
        return self.sample.version


@dataclass(frozen=True)
class Picture:
    """A drawn figure as PNG, `pixels` wide and high; `countries` are those that its range has, most reports first."""

    png: bytes
    pixels: tuple[int, int]
    title: str
    caption: str
    table: str
    version: int
    read_at: datetime
    until: datetime
    countries: tuple[str, ...]

    @property
    def words(self) -> str:
        """What the picture shows, for those who do not see it."""
        return f"{self.title}. {self.caption}."


Key = TypeVar("Key")
Value = TypeVar("Value", bound=Kept)


class Recent(Generic[Key, Value]):
    """The values used last, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, versions: Mapping[str, int]) -> Value | None:
        """The value, unless it is out of date."""
        value = self._values.get(key)
        if value is None or not is_current(value, versions):
            return None
        self._values.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> Value:
        """Keep a value, and let go of the one not used for longest."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return value

    def __len__(self) -> int:
        return len(self._values)


class Gallery:
    """Draws what is wished for. To be called on the event loop."""

    def __init__(self) -> None:
        self._pictures: Recent[Wish, Picture] = Recent(KEPT_PICTURES)
        self._samples: Recent[Range, Taken] = Recent(KEPT_SAMPLES)
        self._drawing: dict[Wish, asyncio.Future[Picture]] = {}
        # One: Matplotlib is not made for threads, and drawing takes the interpreter from the page.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="figures")

    async def picture(self, hub: Hub, wish: Wish, *, anew: bool = False) -> Picture:
        """The picture: a kept one that is current, one that is being drawn for someone else, or (`anew`: always) a new one."""
        kept = None if anew else self._pictures.get(wish, hub.latest.versions)
        if kept is not None:
            return kept
        if wish not in self._drawing:
            drawing = asyncio.ensure_future(self._drawn(hub, wish, anew))
            self._drawing[wish] = drawing
            drawing.add_done_callback(lambda _: self._drawing.pop(wish))
        return await asyncio.shield(self._drawing[wish])

    async def sample(self, hub: Hub, wanted: Range, *, anew: bool = False) -> Taken:
        """The sample of a range: a kept one that is current, or (`anew`: always) a new one."""
        found = None if anew else self._samples.get(wanted, hub.latest.versions)
        if found is None:
            found = self._samples.put(wanted, await hub.ask(sampled, wanted, hub.latest.newest))
        return found

    async def _drawn(self, hub: Hub, wish: Wish, anew: bool) -> Picture:
        counted = figures.FIGURES[wish.figure].counted
        if counted is not None:
            found = await hub.ask(sampled, wish.range, hub.latest.newest, counted)
        else:
            found = await self.sample(hub, wish.range, anew=anew)
        label, loop = LABELS[hub.settings.source], asyncio.get_running_loop()
        return self._pictures.put(wish, await loop.run_in_executor(self._worker, rendered, wish, found, label))


def is_current(kept: Kept, versions: Mapping[str, int]) -> bool:
    """Whether it is of its table's version among these, or not yet a minute old: a table in use has a new version each second."""
    return kept.version == versions.get(kept.table) or datetime.now(UTC) - kept.read_at < KEPT_FOR


def sampled(reader: Reader, wanted: Range, newest: datetime | None, take: Callable[..., Sample] | None = None) -> Taken:
    """A sample of the range."""
    now = datetime.now(UTC)
    return Taken((take or taken)(reader, *ends(wanted, newest), wanted.countries, wanted.phases), now)


def ends(wanted: Range, newest: datetime | None) -> tuple[datetime, datetime]:
    """The range's first moment and the one after it; without an `until` it ends with the last full minute before `newest`."""
    until = wanted.until or (newest or datetime.now(UTC)).replace(second=0, microsecond=0)
    since = wanted.since or until - timedelta(minutes=wanted.minutes)
    return min(since, until), until


def rendered(wish: Wish, found: Taken, label: str) -> Picture:
    """Draw a figure; `label` says where the data comes from. On the worker's thread."""
    sample, title = found.sample, figures.FIGURES[wish.figure].title
    caption = f"{label}: {figures.caption_of(sample)}"
    figure = figures.drawn(wish.figure, sample, wish.theme, wish.narrow, caption)
    written = png(figure, DPI)
    pixels = (round(figure.get_figwidth() * DPI), round(figure.get_figheight() * DPI))
    return Picture(
        written, pixels, title, caption, sample.table, sample.version, found.read_at, sample.until, sample.present
    )


GALLERY = Gallery()
