"""The gallery: one picture a wish, drawn once for all, and again when the table has moved on."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from explore.sample import Sample
from tests.test_figures import flights

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))
import gallery
from gallery import Gallery, Range, Recent, Taken, Wish, is_current, sampled

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT_ONE = {"flights_ml": 1}
WISH = Wish("phase_shares", "light", True, Range("/lake", 60, None, None, (), ()))


class Hub:
    """A hub whose table has a version and nothing else; counts the samples asked of it."""

    def __init__(self) -> None:
        self.latest: Any = SimpleNamespace(versions={"flights_ml": 5}, newest=NOON)
        self.settings = SimpleNamespace(source="simulator")
        self.asked = 0

    async def ask(self, question: Any, *given: Any) -> Taken:
        self.asked += 1
        await asyncio.sleep(0)
        frame = flights(200)
        return Taken(Sample(frame, 900, NOON, NOON + HOUR, self.latest.versions["flights_ml"]), datetime.now(UTC))


@pytest.fixture
def hub() -> Any:
    return Hub()


def aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything that was read be an hour old."""
    monkeypatch.setattr(gallery, "KEPT_FOR", -HOUR)


def test_a_picture_is_a_png_and_says_where_its_data_comes_from(hub):
    picture = asyncio.run(Gallery().picture(hub, WISH))
    assert picture.png.startswith(b"\x89PNG")
    assert picture.words.startswith("Flight phases. SIMULATED: 200 of 900 reports, a random sample; ")
    width, height = (int.from_bytes(picture.png[start : start + 4]) for start in (16, 20))
    assert picture.pixels == (width, height)


def test_two_who_want_the_same_get_one_picture(hub):
    async def both() -> list[Any]:
        shared = Gallery()
        return list(await asyncio.gather(shared.picture(hub, WISH), shared.picture(hub, WISH)))

    one, other = asyncio.run(both())
    assert one is other
    assert hub.asked == 1


def test_another_figure_of_the_same_range_is_of_the_same_sample(hub):
    async def one_after_the_other() -> None:
        shared = Gallery()
        await shared.picture(hub, WISH)
        await shared.picture(hub, replace(WISH, figure="traffic"))
        await shared.picture(hub, replace(WISH, theme="dark"))

    asyncio.run(one_after_the_other())
    assert hub.asked == 1


def test_a_picture_is_kept_while_the_table_is_the_same_or_it_is_under_a_minute_old(hub, monkeypatch):
    async def looked() -> list[bool]:
        shared = Gallery()
        first = await shared.picture(hub, WISH)
        hub.latest.versions["flights_ml"] = 6
        young = await shared.picture(hub, WISH)
        aged(monkeypatch)
        old = await shared.picture(hub, WISH)
        again = await shared.picture(hub, WISH)
        return [young is first, old is first, again is old, (await shared.picture(hub, WISH, anew=True)) is old]

    assert asyncio.run(looked()) == [True, False, True, False]


def test_a_failure_is_told_and_the_next_wish_is_served(hub, monkeypatch):
    async def failed_then_drawn() -> bytes:
        shared = Gallery()
        with pytest.raises(KeyError):
            await shared.picture(hub, replace(WISH, figure="no_such_figure"))
        return (await shared.picture(hub, WISH)).png

    assert asyncio.run(failed_then_drawn())


def test_only_so_many_are_kept_and_the_one_not_used_for_longest_goes():
    kept: Recent[str, Taken] = Recent(2)
    taken = Taken(Sample(pd.DataFrame(), 0, NOON, NOON, 1), datetime.now(UTC))
    kept.put("a", taken)
    kept.put("b", taken)
    assert kept.get("a", AT_ONE) is taken
    kept.put("c", taken)
    assert (len(kept), kept.get("b", AT_ONE), kept.get("a", AT_ONE)) == (2, None, taken)


def test_what_is_of_this_version_never_gets_old():
    taken = Taken(Sample(pd.DataFrame(), 0, NOON, NOON, 7), NOON)
    assert is_current(taken, {"flights_ml": 7})
    assert not is_current(taken, {"flights_ml": 8})


def test_another_table_of_the_same_version_number_keeps_nothing_fresh():
    scored = Taken(Sample(pd.DataFrame(), 0, NOON, NOON, 7, table="phase_predictions"), NOON)
    assert not is_current(scored, {"flights_ml": 7})


def test_a_range_ends_with_the_last_full_minute_unless_it_says_otherwise(monkeypatch):
    asked = []
    monkeypatch.setattr(gallery, "taken", lambda reader, *given: asked.append(given[:2]))
    newest = NOON + timedelta(seconds=59)
    sampled(None, WISH.range, newest)  # type: ignore[arg-type]
    sampled(None, replace(WISH.range, since=NOON - 5 * HOUR), newest)  # type: ignore[arg-type]
    sampled(None, replace(WISH.range, until=NOON - HOUR), newest)  # type: ignore[arg-type]
    assert asked == [(NOON - HOUR, NOON), (NOON - 5 * HOUR, NOON), (NOON - 2 * HOUR, NOON - HOUR)]
