"""What the pages read: the figures' rules on small tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import serving
from pipeline.errors import LakeError
from pipeline.serving import Reader
from pipeline.status_words import pipeline_words
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake
from tests.small_lake import NOON, flight, phase, put


def alert(minute: int, country: str, aircraft: int, anomalous: int) -> dict[str, Any]:
    start = NOON + timedelta(minutes=minute)
    figures = {"origin_country": country, "aircraft": aircraft, "anomalous_aircraft": anomalous}
    return figures | {"window_start": start, "window_end": start + timedelta(minutes=5), "date": start.date()}


def seen(lake: Lake, minutes: int = 3, newest: datetime = NOON + timedelta(minutes=2, seconds=30)):
    """The minutes and the trend of a lake from noon on."""
    reader, until = Reader(lake), NOON + timedelta(minutes=minutes)
    table = serving.phase_minutes(reader, NOON, until, newest)
    return table, serving.trend(reader, NOON, until, pd.DataFrame())


def test_a_reader_lists_the_log_only_once_there_is_a_newer_version(small_lake, monkeypatch):
    put(small_lake, FLIGHTS_ML, flight(1, "a"))
    reader, other = Reader(small_lake), Reader(small_lake)
    version = reader.refresh(FLIGHTS_ML)
    with monkeypatch.context() as patched:
        patched.setattr(serving.DeltaTable, "update_incremental", lambda _: pytest.fail("the log was listed"))
        assert reader.refresh(FLIGHTS_ML) == version
    put(small_lake, FLIGHTS_ML, flight(2, "b"))
    assert reader.refresh(FLIGHTS_ML) == other.refresh(FLIGHTS_ML) == version + 1
    assert reader.one(FLIGHTS_ML, "count(*) AS n")["n"] == 2


def test_a_reader_passes_an_entry_that_was_set_aside_behind_its_checkpoint(small_lake):
    put(small_lake, FLIGHTS_ML, flight(1, "a"))
    reader = Reader(small_lake)
    version = reader.refresh(FLIGHTS_ML)
    put(small_lake, FLIGHTS_ML, flight(2, "b"))
    small_lake.open(FLIGHTS_ML).create_checkpoint()
    put(small_lake, FLIGHTS_ML, flight(3, "c"))
    entry = Path(small_lake.path(FLIGHTS_ML), "_delta_log", f"{version + 1:020}.json")
    entry.rename(entry.with_name(f"{entry.name}.damaged-1"))
    assert reader.refresh(FLIGHTS_ML) == version + 2
    assert reader.one(FLIGHTS_ML, "count(*) AS n")["n"] == 3


def test_a_minute_with_all_aircraft_on_the_ground_has_no_active_flight_which_is_not_unknown(small_lake):
    put(small_lake, FLIGHTS_ML, flight(1, "a", on_ground=True), flight(61, "b", on_ground=True))
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "GROUND", 1), phase(1, "GROUND", 1))
    minutes, trend = seen(small_lake)
    headline = serving.headline(minutes, trend)
    assert headline is not None
    assert (headline.window_start, headline.active_flights) == (NOON, 0)
    assert trend["active"].iloc[2:].isna().all(), "a minute without a report is not sampled"


def test_active_flights_are_distinct_airborne_aircraft_of_the_last_full_minute(small_lake):
    put(
        small_lake,
        FLIGHTS_ML,
        flight(1, "a"),
        flight(30, "a"),
        flight(31, "b"),
        flight(32, "c", on_ground=True),
        flight(61, "d"),
    )
    counted = phase(0, "CRUISE", 2, 10_000.0, 3), phase(0, "CLIMB", 1, 4_000.0, 1)
    put(small_lake, FLIGHT_PHASE_COUNTS, *counted, phase(1, "CRUISE", 1, 10_000.0, 1))
    put(small_lake, ANOMALY_ALERTS, alert(-4, "Spain", 3, 1), alert(-4, "France", 1, 0))
    newest = serving.newest_event(Reader(small_lake))
    assert newest == NOON + timedelta(seconds=61)
    headline = serving.headline(*seen(small_lake, 2, newest))
    assert headline is not None
    assert (headline.window_start, headline.active_flights) == (NOON, 2)
    assert headline.mean_altitude_meters == pytest.approx((3 * 10_000 + 4_000) / 4)
    assert headline.mean_velocity_kmh is None
    assert headline.anomaly_rate == pytest.approx(0.25)


def test_a_headline_without_its_window_is_missing_and_never_zero(small_lake):
    put(small_lake, FLIGHTS_ML, flight(61, "d"))
    assert serving.headline(*seen(small_lake)) is None


def test_a_minute_without_rows_is_a_gap_and_a_phase_without_rows_is_nought(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 2), phase(2, "CLIMB", 1))
    minutes, _ = seen(small_lake)
    assert minutes["CRUISE"].tolist()[0::2] == [2, 0]
    assert minutes[list(PHASES)].iloc[1].isna().all()
    assert minutes["state"].tolist() == ["provisional", "not sampled", "running"]


def test_a_minute_of_which_only_later_answers_tell_was_not_sampled(small_lake):
    late = NOON + timedelta(minutes=1, seconds=5)
    put(
        small_lake,
        FLIGHT_PHASE_COUNTS,
        phase(0, "CRUISE", 2) | {"first_snapshot_timestamp": late},
        phase(1, "CRUISE", 9),
        phase(2, "CRUISE", 9),
    )
    minutes, _ = seen(small_lake)
    assert minutes["state"].tolist()[:2] == ["not sampled", "provisional"]
    assert minutes[list(PHASES)].iloc[0].isna().all()


def test_rates_that_gold_writes_later_than_silver_are_in_the_trend_that_was_carried_on(small_lake):
    put(small_lake, FLIGHTS_ML, *(flight(60 * minute, "a") for minute in range(30)))
    put(small_lake, ANOMALY_ALERTS, *(alert(minute, "Spain", 2, 1) for minute in range(-4, 6)))
    until = NOON + timedelta(minutes=30)
    behind = serving.trend(Reader(small_lake), NOON, until, pd.DataFrame())
    assert behind["anomaly_rate"].notna().sum() == 10
    put(small_lake, ANOMALY_ALERTS, *(alert(minute, "Spain", 4, 1) for minute in range(6, 26)))
    caught_up = serving.trend(Reader(small_lake), NOON, until, behind)
    assert caught_up["anomaly_rate"].tolist() == [0.5] * 10 + [0.25] * 20


def test_a_known_trend_is_carried_on_and_equals_a_new_one(small_lake):
    put(small_lake, FLIGHTS_ML, *(flight(60 * minute, f"{minute:06x}") for minute in range(30)))
    put(small_lake, ANOMALY_ALERTS, *(alert(minute, "Spain", 2, 1) for minute in range(-4, 26)))
    reader, until = Reader(small_lake), NOON + timedelta(minutes=30)
    whole = serving.trend(reader, NOON, until, pd.DataFrame())
    assert whole["active"].tolist() == [1] * 30
    put(small_lake, FLIGHTS_ML, flight(1, "old"), flight(60 * 29, "new"))
    reader.refresh(FLIGHTS_ML)
    assert serving.trend(reader, NOON, until, whole)["active"].tolist() == [1] * 29 + [2]


def test_a_window_is_running_then_provisional_then_final():
    row = serving.WindowRow(NOON, NOON + timedelta(minutes=5))
    ages = (0, 59, 60, 659, 660)
    states = [serving.window_state(NOON, NOON + timedelta(seconds=seconds), row=row) for seconds in ages]
    assert states == ["running", "running", "provisional", "provisional", "final"]
    assert serving.window_state(NOON, NOON + timedelta(hours=1)) == "not sampled"


def test_a_window_that_was_written_again_after_it_was_final_is_revised():
    written = NOON + timedelta(minutes=30)
    again = serving.WindowRow(NOON + timedelta(minutes=1), written)
    assert serving.window_state(NOON, NOON + timedelta(hours=1), row=again) == "revised"
    late_but_once = serving.WindowRow(written, written)
    assert serving.window_state(NOON, NOON + timedelta(hours=1), row=late_but_once) == "final"


def test_a_reader_sees_what_was_added_since(small_lake):
    reader = Reader(small_lake)
    assert reader.refresh(FLIGHTS_ML) == 0
    put(small_lake, FLIGHTS_ML, flight(0, "a"))
    assert reader.refresh(FLIGHTS_ML) == 1
    assert reader.one(FLIGHTS_ML, "count(*) AS n")["n"] == 1


def test_a_lake_that_is_not_there_is_a_sentence_and_not_a_crash(tmp_path: Path):
    reader = Reader(Lake(str(tmp_path / "nowhere")))
    assert reader.refresh(FLIGHTS_ML) == -1
    with pytest.raises(LakeError, match="start the pipeline"):
        serving.newest_event(reader)


@pytest.mark.parametrize(("age", "level"), [(0, "fresh"), (59, "fresh"), (61, "late"), (179, "late"), (181, "stale")])
def test_age_is_told_from_event_time(age, level):
    fresh = serving.freshness(NOON, running(NOON.timestamp() + age), NOON.timestamp() + age)
    assert (fresh.age_seconds, fresh.level) == (age, level)
    assert bool(fresh.reason) == (level != "fresh")


def running(at: float, **changes: dict[str, Any]) -> dict[str, Any]:
    parts = {name: {"state": "running", "cause": None} for name in ("feed", "bronze", "silver")}
    return {"at": at, "doing": "running", "parts": parts | changes}


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_an_optional_stream_that_does_not_run_explains_no_old_data(state):
    part = {"state": state, "cause": "No model is saved.", "optional": True}
    assert serving.trouble(running(NOON.timestamp(), phase_predictions=part), NOON.timestamp()) == ""


def test_the_pipeline_is_all_running_while_an_optional_stream_is_stopped_but_says_when_it_failed():
    parts = {"feed": {"state": "running"}, "phase_predictions": {"state": "stopped", "optional": True}}
    status = {"at": NOON.timestamp(), "trouble": None, "doing": "running", "parts": parts}
    assert pipeline_words(status, NOON.timestamp()) == ("all running", "success")
    parts["phase_predictions"]["state"] = "failed"
    assert pipeline_words(status, NOON.timestamp()) == ("phase_predictions failed", "error")
    parts["phase_predictions"]["state"] = "running"
    parts["feed"]["state"] = "stopped"
    assert pipeline_words(status, NOON.timestamp()) == ("1 of 2 running", "warning")


def test_a_driver_that_has_died_is_not_all_running_and_one_that_was_stopped_says_so():
    status = running(NOON.timestamp(), feed={"state": "running", "cause": None}) | {"trouble": None}
    assert pipeline_words(status, NOON.timestamp() + 9) == ("all running", "success")
    assert pipeline_words(status, NOON.timestamp() + 11) == ("the driver is silent", "error")
    stopped = status | {"doing": "stopped", "parts": {"feed": {"state": "stopped"}}}
    assert pipeline_words(stopped, NOON.timestamp() + 3600) == ("stopped", "secondary")


def test_a_minute_that_gold_has_not_passed_is_running_however_far_silver_is(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 9), phase(1, "CRUISE", 3))
    behind, _ = seen(small_lake, 40, NOON + timedelta(minutes=30))
    assert behind["state"].tolist()[:3] == ["provisional", "running", "not sampled"]
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(30, "CRUISE", 9))
    there, _ = seen(small_lake, 40, NOON + timedelta(minutes=30, seconds=20))
    assert there["state"].tolist()[:2] == ["final", "final"]
    assert there["state"].iloc[30] == "running"


def test_a_range_of_the_past_has_no_running_minute_at_its_end(small_lake):
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 9), phase(1, "CRUISE", 9), phase(30, "CRUISE", 9))
    past, _ = seen(small_lake, 2, NOON + timedelta(minutes=30))
    assert past["state"].tolist() == ["final", "final"]


def test_a_report_from_the_future_is_not_taken_for_the_present(small_lake):
    put(small_lake, FLIGHTS_ML, flight(0, "a"), flight(400 * 86_400, "b"))
    assert serving.newest_event(Reader(small_lake)) == NOON
    assert serving.newest_event(Reader(small_lake), NOON) == NOON


def test_old_data_says_why():
    now = NOON.timestamp()
    assert "never" not in serving.trouble(None, now)
    assert "silent for 30 s" in serving.trouble(running(now - 30), now)
    assert serving.trouble(running(now, silver={"state": "stopped", "cause": None}), now) == "silver is stopped"
    failed = {"state": "failed", "cause": "The disk is full."}
    assert serving.trouble(running(now, silver=failed), now) == "silver is failed: The disk is full."
    assert serving.trouble(running(now, feed={"state": "done", "cause": None}), now) == "the recording has ended"
