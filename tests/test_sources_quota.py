"""The quota: a day's credits last the day, whatever happens in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.sources import quota
from pipeline.sources.quota import CREDITS_A_DAY, DAY, Box, Ledger, cost, plan

MIDNIGHT = 1_790_035_200  # 2026-09-22 00:00 UTC
SWISS: Box = (45.8, 5.9, 47.8, 10.5)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(now=float(MIDNIGHT))
    monkeypatch.setattr(quota, "time", SimpleNamespace(time=lambda: now.now))
    return now


@pytest.mark.parametrize(
    ("box", "credits"),
    [
        (None, 4),
        (SWISS, 1),
        ((0, 0, 5, 5), 1),
        ((0, 0, 5, 5.01), 2),
        ((0, 0, 10, 10), 2),
        ((0, 0, 10, 10.01), 3),
        ((0, 0, 20, 20), 3),
        ((0, 0, 20, 20.01), 4),
        ((-45, 0, -40, 5), 1),
    ],
)
def test_a_call_costs_by_its_area(box: Box | None, credits: int):
    assert cost(box) == credits


@pytest.mark.parametrize(
    ("account", "box", "interval"),
    [
        ("anonymous", None, 864),
        ("standard", None, 86.4),
        ("feeder", None, 43.2),
        ("anonymous", SWISS, 216),
        ("standard", SWISS, 21.6),
        ("feeder", SWISS, 10.8),
        ("licensed", SWISS, 5),
    ],
)
def test_without_a_reserve_the_interval_is_the_one_openskys_allowance_sustains(
    account: str, box: Box | None, interval: float
):
    assert plan(account, box, 0).interval_seconds == pytest.approx(interval)


def test_the_reserve_makes_the_interval_longer():
    planned = plan("standard", None, 0.1)
    assert planned.interval_seconds == pytest.approx(96)
    assert planned.calls_a_day * planned.credits_a_call == 3_600


def test_a_plan_says_how_long_the_credits_last_at_another_interval():
    assert plan("standard", None, 0.1).lasts_hours(15) == pytest.approx(4 + 1 / 6)
    assert plan("anonymous", None, 0.1).lasts_hours(15) * 60 == pytest.approx(25)


@pytest.mark.parametrize(
    ("account", "begin", "seconds_a_call"),
    [("anonymous", 0, 0), ("anonymous", 40_000, 9), ("standard", 0, 9), ("standard", 86_000, 0), ("feeder", 40_000, 9)],
)
def test_no_simulated_day_uses_more_than_its_credits_less_the_reserve(
    clock: SimpleNamespace, tmp_path: Path, account: str, begin: int, seconds_a_call: int
):
    clock.now = MIDNIGHT + begin
    ledger = Ledger(tmp_path / "quota.json", plan(account, None, 0.1))
    used = {0: 0, 1: 0}
    while clock.now < MIDNIGHT + 2 * DAY:
        ledger.spend()
        used[int(clock.now - MIDNIGHT) // DAY] += 4
        clock.now += seconds_a_call
        clock.now += ledger.wait_seconds()
    spendable = CREDITS_A_DAY[account] * 0.9
    assert used[0] <= spendable * (1 - begin / DAY) + 4
    assert spendable * 0.95 <= used[1] <= spendable


def calls_until(clock: SimpleNamespace, end: float, ledger: Callable[[], Ledger]) -> list[float]:
    """When calls are made until `end` by a feed that is started again before each of them."""
    made = []
    while True:
        clock.now += ledger().wait_seconds()
        if clock.now >= end:
            return made
        ledger().spend()
        made.append(clock.now)


def test_a_feed_that_is_started_again_and_again_calls_no_more_often(clock: SimpleNamespace, tmp_path: Path):
    planned = plan("standard", None, 0.1)
    made = calls_until(clock, MIDNIGHT + DAY, lambda: Ledger(tmp_path / "quota.json", planned))
    assert 880 <= len(made) <= 900
    assert min(after - before for before, after in pairwise(made)) >= planned.interval_seconds - 1e-6


def test_a_first_start_calls_at_once(clock: SimpleNamespace, tmp_path: Path):
    clock.now += 3_600
    assert Ledger(tmp_path / "quota.json", plan("anonymous", None, 0.1)).wait_seconds() == 0


def test_an_outage_is_followed_by_no_burst(clock: SimpleNamespace, tmp_path: Path):
    planned = plan("standard", None, 0.1)
    ledger = Ledger(tmp_path / "quota.json", planned)
    ledger.spend()
    clock.now += 12 * 3_600
    assert ledger.wait_seconds() == 0
    ledger.spend()
    assert ledger.wait_seconds() == pytest.approx(planned.interval_seconds)


def test_a_restart_keeps_the_credits_that_were_used(clock: SimpleNamespace, tmp_path: Path):
    planned = plan("standard", None, 0.1)
    ledger = Ledger(tmp_path / "state" / "quota.json", planned)
    for _ in range(5):
        ledger.spend()
    again = Ledger(tmp_path / "state" / "quota.json", planned)
    assert again.left == 4_000 - 20
    clock.now += DAY
    assert again.left == 4_000
    assert Ledger(tmp_path / "state" / "quota.json", planned).left == 4_000


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "\x00\x00",
        '{"used": 3}',
        '{"day": "2026-09-22", "used": "many", "called": 0, "blocked_until": 0}',
    ],
)
def test_an_unreadable_ledger_is_not_read_as_nothing_used(clock: SimpleNamespace, tmp_path: Path, content: str):
    clock.now += 18 * 3_600
    path = tmp_path / "quota.json"
    path.write_text(content)
    ledger = Ledger(path, plan("standard", None, 0.1))
    assert ledger.left == 1_000
    ledger.spend()
    assert Ledger(path, ledger.plan).left == 996


def test_what_is_in_reserve_is_never_spent(clock: SimpleNamespace, tmp_path: Path):
    ledger = Ledger(tmp_path / "quota.json", plan("anonymous", None, 0.1))
    ledger.correct(43)
    assert (ledger.left, ledger.wait_seconds()) == (43, DAY)
    clock.now += 3_600
    assert ledger.wait_seconds() == DAY - 3_600


def test_the_apis_lower_count_is_believed_and_its_higher_one_is_not(clock: SimpleNamespace, tmp_path: Path):
    ledger = Ledger(tmp_path / "quota.json", plan("standard", None, 0.1))
    ledger.spend()
    ledger.correct(1_000)
    assert ledger.left == 1_000
    ledger.correct(3_999)
    assert ledger.left == 1_000
    assert Ledger(tmp_path / "quota.json", ledger.plan).left == 1_000


def test_a_block_outlives_a_restart_and_midnight(clock: SimpleNamespace, tmp_path: Path):
    clock.now += DAY - 600
    planned = plan("standard", None, 0.1)
    Ledger(tmp_path / "quota.json", planned).block(22_688)
    again = Ledger(tmp_path / "quota.json", planned)
    assert again.wait_seconds() == 22_688
    clock.now += 22_000
    assert again.wait_seconds() == 688
    assert Ledger(tmp_path / "quota.json", planned).wait_seconds() == 688
    clock.now += 688
    assert Ledger(tmp_path / "quota.json", planned).wait_seconds() == 0


def test_a_clock_that_was_set_back_does_not_stop_the_feed_for_longer_than_the_interval(
    clock: SimpleNamespace, tmp_path: Path
):
    ledger = Ledger(tmp_path / "quota.json", plan("standard", None, 0.1))
    clock.now += 7_200
    ledger.spend()
    clock.now -= 3_600
    assert ledger.wait_seconds() == pytest.approx(ledger.plan.interval_seconds)
