"""How far a stream has read: a row on its way is not a lost one, and a lost one is found however far the streams are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable

from pipeline import reach, resets
from pipeline.audit import audit
from pipeline.graph import STREAMS
from pipeline.serving import Reader
from pipeline.tables import ANOMALY_ALERTS, BRONZE, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake
from tests.test_graph import simulated, take_all


def broken(lake: Lake) -> list[str]:
    return [check.name for check in audit(lake).checks if not check.holds]


@pytest.fixture
def half_way(spark, settings, lake, producer) -> tuple[Lake, int]:
    """A lake in which every stream has taken six answers, and Bronze another three; and the messages of those."""
    sent = []
    for answers, names in ((simulated(6), STREAMS), (simulated(9)[6:], ["bronze"])):
        for answer in answers:
            producer.send(answer, "simulator")
        take_all(spark, settings, lake, names)
        sent.append(len(lake.open(BRONZE).to_pyarrow_table(columns=["offset"])))
    return lake, sent[1] - sent[0]


def test_what_is_on_its_way_is_told_and_not_missed(half_way):
    lake, more = half_way
    report = audit(lake)
    assert report.holds
    assert not report.settled
    assert report.on_the_way == {"silver": more, "quarantine": more, "flight_phase_counts": 0, "anomaly_alerts": 0}
    parts = (report.observations, report.quarantined, report.repeated, more)
    assert sum(parts) == report.messages
    assert f"{more:,} on their way to silver" in report.as_text()


def test_gold_is_compared_with_the_silver_that_it_had_read(half_way, spark, settings):
    lake, _ = half_way
    before = audit(lake).observations
    take_all(spark, settings, lake, ["silver", "quarantine", "flight_phase_counts"])
    report = audit(lake)
    assert report.holds
    assert report.on_the_way == {
        "silver": 0,
        "quarantine": 0,
        "flight_phase_counts": 0,
        "anomaly_alerts": report.observations - before,
    }
    take_all(spark, settings, lake, ["anomaly_alerts"])
    assert audit(lake).settled


def test_the_newest_row_is_missed_where_it_had_been_read(half_way):
    lake, _ = half_way
    newest = Reader(lake).one(FLIGHTS_ML, "max(event_timestamp) AS at")["at"]
    DeltaTable(lake.path(FLIGHTS_ML)).delete(f"event_timestamp = '{newest:%Y-%m-%dT%H:%M:%SZ}'")
    assert "silver has every new observation" in broken(lake)


def test_after_a_reset_everything_is_on_its_way(half_way):
    lake, _ = half_way
    resets.reset(lake, "silver")
    report = audit(lake)
    assert report.holds
    assert report.on_the_way["silver"] == report.messages
    resets.undo(lake, "silver")
    assert audit(lake).on_the_way["silver"] < report.messages


@pytest.mark.parametrize("damage", ["gone", "forgotten", "garbled", "meaningless"])
def test_without_a_word_of_the_checkpoint_it_is_compared_with_all(half_way, damage):
    lake, _ = half_way
    folder = Path(lake.checkpoint("silver"))
    if damage == "gone":
        shutil.rmtree(folder)
    for log in (folder / "offsets").glob("[0-9]*"):
        log.unlink() if damage == "forgotten" else log.write_text("v1\n{" if damage == "garbled" else "v1\n{}\n[]")
    reader = Reader(lake)
    reader.refresh(FLIGHTS_ML)
    assert reach.reached(reader, "silver") is None
    assert "silver has every new observation" in broken(lake)


@pytest.mark.parametrize("table", [FLIGHT_PHASE_COUNTS, ANOMALY_ALERTS])
def test_a_table_that_was_lost_and_made_anew_is_missed(half_way, table):
    lake, _ = half_way
    shutil.rmtree(lake.path(table))
    list(lake.create())
    assert any(name.startswith(f"{table.name} counts") for name in broken(lake))


def test_a_version_that_is_no_longer_kept_is_no_crash(half_way):
    lake, _ = half_way
    table = DeltaTable(lake.path(BRONZE))
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    report = audit(lake)
    assert not report.holds
    assert report.on_the_way["silver"] == 0
