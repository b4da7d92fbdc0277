"""The limits: what lies strictly beyond one is flagged with its reason, and what is missing never is."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.anomalies import LIMITS, reasons
from pipeline.tables import REASONS

NAN = float("nan")


def found(limits: str, altitude=10_000.0, geo=NAN, velocity=800.0, rate=0.0, emergency=False) -> list[str]:
    figures = (np.array([one]) for one in (altitude, geo, velocity, rate))
    (bits,) = reasons(LIMITS[limits], *figures, np.array([emergency]))
    return [reason for place, reason in enumerate(REASONS) if bits >> place & 1]


@pytest.mark.parametrize(
    ("figures", "expert", "seed"),
    [
        ({}, [], []),
        ({"altitude": 12_000}, [], []),
        ({"altitude": 12_497}, [], ["altitude_high"]),
        ({"altitude": 13_716}, [], ["altitude_high"]),
        ({"altitude": 13_716.1}, ["altitude_high"], ["altitude_high"]),
        ({"altitude": -100}, [], []),
        ({"altitude": -300}, [], ["altitude_low"]),
        ({"altitude": -300.1}, ["altitude_low"], ["altitude_low"]),
        ({"velocity": 1_000}, [], []),
        ({"velocity": 325 * 3.6}, [], ["speed_high"]),
        ({"velocity": 325.1 * 3.6}, ["speed_high"], ["speed_high"]),
        ({"velocity": 0}, [], []),
        ({"velocity": -0.1}, [], ["speed_low"]),
        ({"rate": 30}, [], []),
        ({"rate": 30.1}, ["vertical_rate"], []),
        ({"rate": -30.1}, ["vertical_rate"], []),
        ({"geo": 11_000}, [], []),
        ({"geo": 11_000.1}, ["altitude_mismatch"], []),
        ({"geo": 8_999.9}, ["altitude_mismatch"], []),
        ({"emergency": True}, ["emergency_squawk"], []),
        ({"altitude": NAN, "geo": 30_000, "velocity": NAN, "rate": NAN}, [], []),
        (
            {"altitude": 28_560, "geo": 0, "velocity": 6_062, "rate": 604},
            ["altitude_high", "speed_high", "vertical_rate", "altitude_mismatch"],
            ["altitude_high", "speed_high"],
        ),
    ],
)
def test_what_lies_strictly_beyond_a_limit_is_flagged_with_each_of_its_reasons(figures, expert, seed):
    assert found("expert", **figures) == expert
    assert found("seed", **figures) == seed


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_each_reason_has_a_limit_that_says_whether_it_is_checked(limits):
    checked = [reason for reason in REASONS if limits.checks(reason)]
    assert [reason for reason in REASONS if limits.of(reason) is not None] == [
        reason for reason in checked if reason != "emergency_squawk"
    ]


def test_the_expert_checks_everything_but_impossible_speeds_below_zero_and_the_seed_four_things():
    assert [one for one in REASONS if not LIMITS["expert"].checks(one)] == ["speed_low"]
    assert [one for one in REASONS if LIMITS["seed"].checks(one)] == list(REASONS[:4])
