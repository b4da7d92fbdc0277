"""The agreement of model and rule over time: what is drawn equals what one counts by hand."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from explore import agreement
from explore.figures import caption_of, drawn
from pipeline.serving import Reader
from pipeline.tables import HELD_OUT_PREDICTIONS, PHASE_PREDICTIONS, lake_of
from tests.small_lake import NOON, put

HOUR = timedelta(hours=1)


def said(second: int, rule: str, model: str, *, country: str = "Japan", unseen: bool = True) -> dict:
    at = NOON + timedelta(seconds=second)
    named = {"flight_phase": rule, "predicted_phase": model, "origin_country": country, "unseen": unseen}
    return {"event_timestamp": at, "icao24": f"{second:06x}", "date": at.date()} | named


def test_live_rows_are_counted_and_those_learned_from_are_not(small_lake):
    rows = [said(1, "CRUISE", "CRUISE"), said(2, "CRUISE", "CLIMB"), said(70, "CLIMB", "CLIMB")]
    put(small_lake, PHASE_PREDICTIONS, *rows, said(3, "CRUISE", "CRUISE", unseen=False))
    put(small_lake, HELD_OUT_PREDICTIONS, said(4, "GROUND", "GROUND"))
    found = agreement.counted(Reader(small_lake), NOON, NOON + HOUR)
    assert (found.of, found.table) == (3, "phase_predictions")
    counts = found.flights.set_index("flight_phase")
    assert counts["rows"].to_dict() == {"CRUISE": 2, "CLIMB": 1}
    assert counts["agreeing"].to_dict() == {"CRUISE": 1, "CLIMB": 1}
    assert "all 3 reports" in caption_of(found)
    assert "phase_predictions version" in caption_of(found)


def test_without_live_rows_it_is_the_honest_test_of_the_training(small_lake):
    put(
        small_lake,
        HELD_OUT_PREDICTIONS,
        said(4, "GROUND", "GROUND"),
        said(5, "GROUND", "TAKEOFF", country="Cote d'Ivoire"),
    )
    assert agreement.counted(Reader(small_lake), NOON, NOON + HOUR).of == 2
    found = agreement.counted(Reader(small_lake), NOON, NOON + HOUR, ["Cote d'Ivoire"], ["GROUND"])
    assert (found.of, int(found.flights["agreeing"].sum()), found.table) == (1, 0, "held_out_predictions")


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_without_any_it_says_what_to_do(small_lake, theme, narrow):
    found = agreement.counted(Reader(small_lake), NOON, NOON + HOUR)
    assert found.of == 0
    assert "contrail train" in drawn("agreement", found, theme, narrow).texts[0].get_text()


def test_the_lines_are_the_shares_that_one_counts_in_the_lake(flown, trained):
    reader = Reader(lake_of(flown))
    whole = reader.frame(HELD_OUT_PREDICTIONS, "*")
    since, until = whole["event_timestamp"].min().to_pydatetime(), NOON.replace(year=2030)
    found = agreement.counted(reader, since, until)
    assert found.of == len(whole)
    ax = drawn("agreement", found).axes[0]
    (line,) = [one for one in ax.lines if str(one.get_label()).startswith("all  ")]
    minute = whole["event_timestamp"].dt.floor("1min")
    agreeing = (whole["flight_phase"] == whole["predicted_phase"]).groupby(minute).mean() * 100
    enough = minute.value_counts().sort_index() >= agreement.LEAST_A_STEP
    drawn_at = pd.Series(np.asarray(line.get_ydata(), float), pd.DatetimeIndex(line.get_xdata())).dropna()
    expected = agreeing[enough]
    assert len(expected) > 3
    assert drawn_at.to_numpy() == pytest.approx(expected.to_numpy())
    assert f"({len(whole):,})" in str(line.get_label())


def test_too_few_observations_make_no_point(small_lake):
    rows = [said(second, "CRUISE", "CRUISE") for second in range(30)] + [said(70, "CRUISE", "CLIMB")]
    put(small_lake, PHASE_PREDICTIONS, *rows)
    counts = agreement.counted(Reader(small_lake), NOON, NOON + HOUR).flights
    found = agreement.shares(counts, 1)
    assert found.iloc[0] == 100
    assert np.isnan(found.iloc[1])


def test_the_first_minute_stands_amid_ten_and_not_amid_years(small_lake):
    put(small_lake, PHASE_PREDICTIONS, *(said(second, "CRUISE", "CRUISE") for second in range(30)))
    ax = drawn("agreement", agreement.counted(Reader(small_lake), NOON, NOON + HOUR)).axes[0]
    assert np.subtract(*ax.get_xlim()[::-1]) * 1440 == pytest.approx(10)
