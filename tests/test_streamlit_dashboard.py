"""The stakeholders' page: the same figures as the operator's, honest about what is missing, and light."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from playwright.sync_api import expect, sync_playwright
from streamlit import config
from streamlit.testing.v1 import AppTest

from pipeline import ops, serving
from pipeline.broker import free_port
from pipeline.drill.processes import answers, started, wait_until
from pipeline.errors import LakeError
from pipeline.serving import MINUTE, Reader
from pipeline.settings import load
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake, lake_of
from streamlit_dashboard import charts, view
from streamlit_dashboard.view import Desk, changes
from tests.browsing import FLAGS, PATIENCE_MS, ROOT, chromium, watched
from tests.small_lake import NOON, alert, flight, phase, put

PAGE = ROOT / "streamlit_dashboard" / "app.py"


@pytest.fixture
def sky(small_lake: Lake) -> Lake:
    """Ten minutes with a gap at the fifth, one more aircraft each minute, and a country in alert."""
    minutes = [minute for minute in range(11) if minute != 5]
    put(
        small_lake, FLIGHTS_ML, *(flight(60 * minute + 20, f"{n:06x}") for minute in minutes for n in range(minute + 1))
    )
    counts = [
        phase(minute, name, minute + 1, 9000.0 + minute, minute + 1)
        for minute in minutes
        for name in ("CRUISE", "GROUND")
    ]
    put(small_lake, FLIGHT_PHASE_COUNTS, *counts)
    put(small_lake, ANOMALY_ALERTS, *(alert(minute, "Atlantis", 2, 8, altitude_high_count=2) for minute in range(7)))
    put(small_lake, ANOMALY_ALERTS, *(alert(minute, "Lemuria", 1, 40, altitude_high_count=1) for minute in range(7)))
    return small_lake


def shown(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("CONTRAIL_LAKE", lake.root)
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    return page


def test_its_four_figures_are_those_of_the_operators_page(sky, monkeypatch):
    page, reader, newest = shown(sky, monkeypatch), Reader(sky), NOON + timedelta(minutes=10, seconds=20)
    until = newest.replace(second=0) + MINUTE
    trend = serving.trend(reader, until - 60 * MINUTE, until, pd.DataFrame())
    head = serving.headline(serving.phase_minutes(reader, until - 60 * MINUTE, until, newest), trend)
    assert head is not None
    assert head.active_flights == 10
    assert head.anomaly_rate is not None
    assert [one.value for one in page.metric] == ["10", "9,009 m", "–", f"{head.anomaly_rate:.1%}"]
    assert [one.delta for one in page.metric] == ["1", "1 m", "", "0.0%"]
    assert page.main.caption[0].value.startswith("Minute 12:09 UTC, provisional")


def test_its_alerts_follow_the_threshold_of_the_sidebar(sky, monkeypatch):
    page = shown(sky, monkeypatch)
    assert page.dataframe[0].value["Country"].tolist() == ["Atlantis"]
    assert page.dataframe[0].value["Reasons"].tolist() == ["too high"]
    page.slider[1].set_value(30).run()
    assert not page.dataframe
    assert "No country was in alert in this range." in [one.value for one in page.info]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "There is no observation in"),
        ({"CONTRAIL_S3_ENDPOINT": "http://127.0.0.1:1"}, "does not answer"),
        ({"CONTRAIL_S3_SECRET_KEY": "guessed"}, "do not belong together"),
        ({"CONTRAIL_LAKE": "s3a://nowhere"}, "There is no bucket 'nowhere'"),
    ],
)
def test_a_lake_on_s3_that_is_empty_or_cannot_be_read_is_a_sentence(s3_server, bucket, monkeypatch, change, words):
    for name, value in (s3_server.environment(bucket) | change).items():
        monkeypatch.setenv(name, value)
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception
    assert words in "".join(one.value for one in [*page.main.error, *page.main.info])
    sidebar_words = "no pipeline has run here" if not change else "not known while the lake cannot be read"
    assert [one.value for one in page.sidebar.caption if sidebar_words in one.value]


def test_a_lake_on_s3_shows_its_figures(s3_server, bucket, monkeypatch):
    lake = Lake(f"s3a://{bucket}/sky", s3_server.access)
    list(lake.create())
    put(lake, FLIGHTS_ML, *(flight(60 * minute + 20, "abc123") for minute in range(5)))
    put(lake, FLIGHT_PHASE_COUNTS, *(phase(minute, "CRUISE", 1, 9000.0, 1) for minute in range(5)))
    put(lake, ANOMALY_ALERTS, *(alert(minute, "Atlantis", 1, 2) for minute in range(5)))
    for name, value in s3_server.environment(bucket).items():
        monkeypatch.setenv(name, value)
    page = shown(lake, monkeypatch)
    assert page.metric[0].value == "1"


def test_what_it_says_of_the_pipeline_is_what_the_supervisor_published(sky, monkeypatch):
    status = {"at": 0.0, "doing": "stopped", "source": "simulator", "trouble": None, "parts": {}}
    ops.write(sky, ops.STATUS, status)
    page = shown(sky, monkeypatch)
    assert "SIMULATED" in page.sidebar.markdown[0].value
    assert page.sidebar.error[0].value.endswith("old: the pipeline is stopped")


def test_a_minute_that_was_not_sampled_is_a_gap_and_the_running_one_stands_apart(sky):
    desk = Desk(sky)
    desk.versions()
    seen = desk.view(60 * MINUTE, 10, 5)
    assert seen is not None
    runs = list(charts.runs(seen.minutes))
    assert [len(run) for run in runs] == [5, 4, 1]
    assert runs[2]["state"].tolist() == ["running"]
    drawn = [one for one in charts.stacked(seen.minutes).data if one.name == "Cruise"]
    assert len({one.stackgroup for one in drawn}) == 3
    gap = pd.Timestamp(NOON + 5 * MINUTE)
    assert not [one for one in drawn if pd.Timestamp(one.x[0]) <= gap < pd.Timestamp(one.x[-1])]


def test_no_figure_has_a_change_without_the_minute_before(sky):
    desk = Desk(sky)
    desk.versions()
    seen = desk.view(60 * MINUTE, 10, 5)
    assert seen is not None
    assert seen.headline is not None
    lone = seen.minutes.assign(altitude_meters=np.where(seen.minutes.index < seen.headline.window_start, np.nan, 1.0))
    assert changes(type(seen)(**{**vars(seen), "minutes": lone}))["altitude_meters"] is None


@pytest.mark.parametrize("trouble", ["empty", "gone", "garbled", "no lake"])
def test_a_lake_that_cannot_be_read_gives_a_sentence(sky, tmp_path, monkeypatch, trouble):
    log = Path(sky.path(FLIGHT_PHASE_COUNTS)) / "_delta_log"
    if trouble == "garbled":
        for file in log.glob("*.json"):
            file.write_text('{"metaData": {')
    lake = sky if trouble == "garbled" else Lake(str(tmp_path / trouble))
    if trouble == "empty":
        list(lake.create())
    if trouble == "no lake":
        Path(lake.root).write_text("a file")
    page = shown(lake, monkeypatch)
    told = [one.value for one in (*page.info, *page.error)]
    assert any(lake.root in words for words in told), told
    assert not page.metric


def test_a_lake_that_vanishes_while_it_is_looked_at_gives_a_sentence(sky, monkeypatch):
    monkeypatch.setattr(view, "SHARED_SECONDS", 0.0)
    page = shown(sky, monkeypatch)
    assert page.metric
    Path(sky.root).rename(Path(sky.root).with_name("elsewhere"))
    page.run()
    assert not page.exception
    assert not page.metric
    assert any(sky.root in one.value for one in (*page.info, *page.error))


def test_one_look_at_the_tables_serves_all_who_ask_at_the_same_time_and_the_next_one_sees_what_is_new(sky, monkeypatch):
    desk, looks = Desk(sky), []
    refresh = desk._reader.refresh
    monkeypatch.setattr(desk._reader, "refresh", lambda table: looks.append(table.name) or refresh(table))
    monkeypatch.setattr(view, "SHARED_SECONDS", float("inf"))
    first = [desk.versions() for _ in range(20)]
    assert len(looks) == len(serving.FOLLOWED)
    put(sky, FLIGHTS_ML, flight(620, "ffffff"))
    monkeypatch.setattr(view, "SHARED_SECONDS", 0.0)
    assert desk.versions() == (first[0][0] + 1, *first[0][1:])
    assert desk.newest == NOON + timedelta(seconds=620)


def test_a_lake_that_does_not_answer_is_asked_once_for_all_who_ask_and_again_later(sky, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0.2)
        monkeypatch.setattr(view, "SHARED_SECONDS", float("inf"))
        desk = Desk(lake_of(load({}, lake="s3a://sky/sky", s3_access_key="a", s3_secret_key="b",
                                 s3_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")))  # fmt: skip
        for look in range(20):
            with pytest.raises(LakeError, match="does not answer"):
                desk.versions()
            if not look:
                asked = called(silent)
                assert asked
        assert not called(silent)
        monkeypatch.setattr(view, "SHARED_SECONDS", 0.0)
        with pytest.raises(LakeError, match="does not answer"):
            desk.versions()
        assert called(silent) == asked


def called(server: socket.socket) -> int:
    """How many have connected since it was last asked."""
    count = 0
    with suppress(TimeoutError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_a_wrong_setting_gives_its_sentence(sky, monkeypatch):
    monkeypatch.setenv("CONTRAIL_INTERVAL", "never")
    page = shown(sky, monkeypatch)
    assert "CONTRAIL_INTERVAL" in page.error[0].value
    assert "never" in page.error[0].value


def test_it_needs_neither_spark_nor_the_operators_libraries():
    program = "import sys; from streamlit_dashboard import charts, view; import pipeline.ops, pipeline.status_words\n"
    program += "print([name for name in ('pyspark', 'kafka', 'panel', 'bokeh', 'seaborn') if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@contextmanager
def served(lake: Lake, log: Path) -> Iterator[tuple[str, int]]:
    """The address of a lake's viewer, and its process's id."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(PAGE), "--server.port", str(port)]
    with started(command, {"CONTRAIL_LAKE": lake.root}, log) as server:
        wait_until(lambda: answers(address), 300, "the viewer answers")
        yield address, server.pid


def test_the_page_follows_the_lake_without_a_reload_and_asks_no_other_host(sky, tmp_path):
    with served(sky, tmp_path / "log") as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        with watched(browser) as page:
            page.goto(address)
            active = page.get_by_test_id("stMetric").first
            expect(active).to_contain_text("10", timeout=PATIENCE_MS)
            expect(page.get_by_test_id("stPlotlyChart")).to_have_count(5, timeout=PATIENCE_MS)
            put(sky, FLIGHTS_ML, flight(620, "ffffff"), flight(680, "000000"))
            put(sky, FLIGHT_PHASE_COUNTS, *(phase(11, name, 5) for name in PHASES))
            expect(active).to_contain_text("12", timeout=PATIENCE_MS)
        browser.close()


def test_its_server_runs_on_the_event_loop_that_sends_small_answers_at_once(sky, tmp_path):
    with served(sky, tmp_path / "log") as (_, process):
        assert any("uvloop" in mapped.path for mapped in psutil.Process(process).memory_maps())


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", ""])
def test_on_more_than_loopback_it_shows_the_cure_unless_it_may_be_open(sky, monkeypatch, address):
    monkeypatch.setenv("CONTRAIL_LAKE", sky.root)
    config.set_option("server.address", address or None)
    try:
        page = AppTest.from_file(str(PAGE), default_timeout=60).run()
        assert not page.metric
        assert "--server.address 127.0.0.1" in page.error[0].value
        monkeypatch.setenv("CONTRAIL_VIEWER_OPEN", "yes")
        assert AppTest.from_file(str(PAGE), default_timeout=60).run().metric
    finally:
        config.set_option("server.address", "127.0.0.1")
