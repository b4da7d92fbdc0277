"""The model card in these pages, from a training on a simulated sky that is always the same: `make card`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipeline import ops, spark, training_run
from pipeline.broker import Broker, create_topic
from pipeline.graph import stages
from pipeline.producer import Producer
from pipeline.settings import Settings, load
from pipeline.sources.simulator import Sky
from pipeline.tables import lake_of
from pipeline.training import Plan

AIRCRAFT, HOURS, INTERVAL_SECONDS, START = 400, 3, 30, 1_790_000_000


def fill(settings: Settings, servers: str) -> None:
    """Bring a simulated sky through Bronze to Silver."""
    lake, sky, producer = lake_of(settings), Sky(AIRCRAFT, settings.seed), Producer(servers, settings.topic)
    ops.claim_feed(lake, "simulator")
    create_topic(servers, settings.topic, 1)
    list(lake.create())
    for time in range(START, START + HOURS * 3600, INTERVAL_SECONDS):
        producer.send(sky.answer(time), "simulator", flush=False)
    producer.close()
    session = spark.session(settings)
    for stage in stages(settings)[:2]:
        spark.start(session, stage, lake, settings, servers, once=True).awaitTermination()
    session.stop()
    spark.end_jvm(20)


def main() -> None:
    """Fill a throwaway lake, train on it, and write `docs/model-card.md` with its picture."""
    with tempfile.TemporaryDirectory(prefix="contrail-") as scratch:
        settings = load({}, data=scratch)
        broker = Broker(Path(scratch) / "kafka", settings.cache_folder)
        broker.start(print)
        try:
            fill(settings, broker.servers)
        finally:
            broker.stop()
        card = Path(__file__).with_name("model-card.md")
        training_run.command(settings, Plan(), card, lambda words: print(words, flush=True), classic=False)


if __name__ == "__main__":
    main()
