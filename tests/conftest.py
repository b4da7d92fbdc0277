"""One Spark session and one Kafka broker a run; each test gets a lake and a topic of its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipeline import spark as engine
from pipeline.broker import Broker, create_topic
from pipeline.producer import Producer
from pipeline.settings import Settings, load
from pipeline.tables import Lake, lake_of

RECORDINGS = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def no_settings_from_outside() -> None:
    for name in [name for name in os.environ if name.startswith("CONTRAIL_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
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


@pytest.fixture
def small_lake(tmp_path: Path) -> Lake:
    """A lake with empty tables."""
    made = Lake(str(tmp_path))
    list(made.create())
    return made
