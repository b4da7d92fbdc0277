"""Contrail itself, as one of the peers: its streams on a topic that is there, driven by its supervisor."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pipeline.settings import load
from pipeline.supervisor import STREAMS, Supervisor


def main(servers: str, topic: str, lake: str, most: str) -> None:
    """Take the whole topic."""
    settings = load({}, data=str(Path(lake).parent), lake=lake, kafka=servers, topic=topic, batch_messages=most)
    supervisor = Supervisor(settings, lambda words: print(f"  {words}", flush=True))
    supervisor.open()
    try:
        supervisor.start(*STREAMS).result()
        while not supervisor.streams_run():
            time.sleep(0.2)
        supervisor.drain().result()
    finally:
        supervisor.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
