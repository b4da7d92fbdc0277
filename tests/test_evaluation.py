"""The figures that follow from a confusion, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from pipeline.evaluation import Matrix, interval

PAIRS = [("CRUISE", "CRUISE", 6), ("CRUISE", "CLIMB", 2), ("CLIMB", "CLIMB", 1), ("CLIMB", "DESCENT", 1)]


def test_accuracy_and_f1_are_as_worked_out_by_hand():
    matrix = Matrix.of(PAIRS)
    assert matrix.rows == 10
    assert matrix.accuracy == pytest.approx(0.7)
    by_phase = dict(zip(("GROUND", "TAKEOFF", "CLIMB", "CRUISE", "DESCENT", "TRANSITION"), matrix.f1, strict=True))
    assert by_phase["CRUISE"] == pytest.approx(2 * 6 / (2 * 6 + 2))
    assert by_phase["CLIMB"] == pytest.approx(2 * 1 / (2 * 1 + 2 + 1))
    assert matrix.macro_f1 == pytest.approx((12 / 14 + 2 / 5) / 2)


def test_a_phase_that_the_rule_never_says_has_no_f1():
    matrix = Matrix.of(PAIRS)
    assert math.isnan(matrix.f1[0])
    assert math.isnan(matrix.f1[4])  # the model said DESCENT, the rule did not


def test_no_rows_have_no_figures():
    assert math.isnan(Matrix.of([]).accuracy)
    assert math.isnan(Matrix.of([]).macro_f1)


def test_an_interval_is_students():
    found = interval([0.90, 0.91, 0.92, 0.93, 0.94])
    assert found.mean == pytest.approx(0.92)
    assert found.half_width == pytest.approx(2.776 * math.sqrt(0.00025) / math.sqrt(5))


def test_one_run_has_a_mean_and_no_width_and_none_has_neither():
    assert interval([0.5, math.nan]).mean == 0.5
    assert math.isnan(interval([0.5, math.nan]).half_width)
    assert math.isnan(interval([]).mean)
