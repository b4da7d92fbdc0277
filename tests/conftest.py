"""One Spark session and one Kafka broker a run; each test gets a lake and a topic of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from pyspark.sql import SparkSession

from pipeline import ops
from pipeline import spark as engine
from pipeline.broker import Broker, create_topic
from pipeline.drill.processes import NotInTime, wait_until
from pipeline.drill.s3_server import S3Server, program
from pipeline.graph import stages
from pipeline.producer import Producer
from pipeline.settings import Settings, load
from pipeline.sources import Answer
from pipeline.sources.replay import recorded as replayed
from pipeline.sources.simulator import Sky
from pipeline.tables import Lake, lake_of
from tests.browsing import FLAGS, PATIENCE_MS, alive, chromium
from tests.small_sky import recorded

# Modules of minutes, whose streams are other processes: none of them may be what one worker still does when the other has ended.
LONG = ["test_app", "test_drill", "test_s3_pipeline", "test_main", "test_explore_page", "test_security", "test_sign_in",
        "test_cluster", "test_soak", "test_streamlit_dashboard"]  # fmt: skip
RECORDINGS = Path(__file__).parents[2] / "shared" / "data"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Whoever ends a run early, as CI does when time is up, ends what its tests have started too; its workers first."""
    shared = session.config.getoption("numprocesses", None)

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        workers = psutil.Process().children() if shared else []
        started = [one for worker in workers for one in worker.children(recursive=True)]
        for worker in workers:
            worker.terminate()
        with contextlib.suppress(NotInTime):
            wait_until(lambda: not any(alive(one) for one in started), 120, "what the workers have started has ended")
        session.shouldstop = "ended by SIGTERM"  # where a library swallows the exception, after the test in hand
        pytest.exit("ended by SIGTERM")

    signal.signal(signal.SIGTERM, end)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers share a run by modules: all that need the Spark session go to one of them, and long modules begin first."""
    modules = {item.path.stem for item in items}
    on_session = {item.path.stem for item in items if "spark" in getattr(item, "fixturenames", ())}
    on_session |= {"test_figures"} & modules  # its fixture asks for the session only when it runs
    order = [*sorted(on_session), *LONG, *sorted(modules)]
    items.sort(key=lambda item: order.index(item.path.stem))
    for item in items:
        group = "session" if item.path.stem in on_session else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True, scope="session")
def no_settings_from_outside() -> None:
    for name in [name for name in os.environ if name.startswith("CONTRAIL_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[SparkSession]:
    if worker_id != "master":  # what all workers share lies above what each has
        (tmp_path_factory.getbasetemp().parent / "the-one-session").touch(exist_ok=False)
    session = engine.session(load({}, data=str(tmp_path_factory.mktemp("spark"))))
    yield session
    session.stop()
    engine.end_jvm(20)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    embedded = Broker(tmp_path_factory.mktemp("kafka"), load({}).cache_folder)
    embedded.start()
    yield embedded
    embedded.stop()


@pytest.fixture
def settings(tmp_path: Path, broker: Broker) -> Settings:
    """Settings of a lake and a topic that exist, both empty."""
    chosen = load({}, data=str(tmp_path / "data"), kafka=broker.servers, topic=f"sky-{uuid.uuid4().hex[:8]}")
    create_topic(broker.servers, chosen.topic, 2)
    list(lake_of(chosen).create())
    return chosen


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return lake_of(settings)


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    assert settings.kafka is not None
    made = Producer(settings.kafka, settings.topic)
    yield made
    made.close()


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded skies, which are not part of the project."""
    if not RECORDINGS.is_dir():
        pytest.skip("no recorded skies beside this checkout (their terms forbid to pass them on)")
    return RECORDINGS


@pytest.fixture(scope="session")
def flown(tmp_path_factory: pytest.TempPathFactory, broker: Broker, spark: SparkSession) -> Settings:
    """A lake with a simulated hour that came through Kafka to Silver in three pieces. To be read, not written."""
    chosen = load(
        {}, data=str(tmp_path_factory.mktemp("flown")), kafka=broker.servers, topic=f"sky-{uuid.uuid4().hex[:8]}"
    )
    create_topic(broker.servers, chosen.topic, 2)
    list(lake_of(chosen).create())
    ops.claim_feed(lake_of(chosen), "simulator")
    sky, made = Sky(160, seed=5), Producer(broker.servers, chosen.topic)
    for begin in range(0, 3600, 1200):
        for second in range(begin, begin + 1200, 30):
            made.send(sky.answer(1_790_000_000 + second), "simulator", flush=False)
        made.send(Answer(0, []), "simulator")
        to_silver(spark, chosen)
    made.close()
    return chosen


@pytest.fixture(scope="session")
def recorded_flights(
    tmp_path_factory: pytest.TempPathFactory, broker: Broker, spark: SparkSession, recordings: Path
) -> Settings:
    """A lake with three hours of recorded flights in Silver. To be read, not written."""
    chosen = load(
        {}, data=str(tmp_path_factory.mktemp("recorded")), kafka=broker.servers, topic=f"sky-{uuid.uuid4().hex[:8]}"
    )
    create_topic(broker.servers, chosen.topic, 2)
    list(lake_of(chosen).create())
    made = Producer(broker.servers, chosen.topic)
    for answer in replayed(recordings / "traffic_quickstart_2021-10-07_15s.jsonl.gz"):
        made.send(answer, "replay", flush=False)
    made.close()
    to_silver(spark, chosen)
    return chosen


def to_silver(spark: SparkSession, chosen: Settings) -> None:
    """Let Bronze and Silver take all that is in Kafka."""
    assert chosen.kafka is not None
    for stage in stages(chosen)[:2]:
        engine.start(spark, stage, lake_of(chosen), chosen, chosen.kafka, once=True).awaitTermination()


@pytest.fixture(scope="session")
def trained(flown: Settings, spark: SparkSession) -> dict[str, Any]:
    """The figures of a small training on that hour; its model and predictions are in the lake."""
    from pipeline.training import Plan
    from pipeline.training_run import Stopwatch, train

    return train(spark, lake_of(flown), Plan(**SMALL), Stopwatch(print))


SMALL: dict[str, Any] = {"trees": 5, "depth": 6, "rounds": 1, "seeds": 2, "rows": 8_000}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Twenty minutes of a small simulated sky."""
    return recorded(tmp_path / "sky.jsonl.gz", 60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def small_lake(tmp_path: Path) -> Lake:
    """A lake with empty tables."""
    made = Lake(str(tmp_path))
    list(made.create())
    return made


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server for all tests of a run; a test makes a bucket of its own."""
    made = new_s3_server(tmp_path_factory)
    yield made
    made.kill()


@pytest.fixture
def own_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server that a test may kill."""
    made = new_s3_server(tmp_path_factory)
    yield made
    made.kill()


def new_s3_server(tmp_path_factory: pytest.TempPathFactory) -> S3Server:
    if program() is None:
        pytest.skip("no versitygw: `make s3-server` builds it where Go is installed")
    made = S3Server(tmp_path_factory.mktemp("s3"))
    made.start()
    return made


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    """A bucket of its own."""
    name = f"sky-{uuid.uuid4().hex[:8]}"
    s3_server.make_bucket(name)
    return name
