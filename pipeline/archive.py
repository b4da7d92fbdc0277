"""The archives of classes: made once at set-up, so that every later start of Spark and Kafka skips parsing and verifying them.

A small simulated sky goes through a throwaway stack, and each JVM writes down what it has loaded when it ends (class-data
sharing, JDK 13 and newer). docs/decisions/class-archive.md has the figures.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from pipeline import jars
from pipeline.errors import ContrailError
from pipeline.graph import STREAMS
from pipeline.settings import Settings, load
from pipeline.supervisor import FEED, Supervisor

LONGEST_SECONDS = 180.0
WRITING_SECONDS = 120.0


def make(settings: Settings) -> None:
    """Write the archives unless they are there. Without them everything works, only slower at the start."""
    targets = {part: jars.class_archive(part, settings.cache_folder) for part in jars.EMBEDDED}
    if all(target.exists() for target in targets.values()):
        return
    print("Preparing a quick start of Spark and Kafka (once)", flush=True)
    with tempfile.TemporaryDirectory(prefix="contrail-") as scratch:
        throwaway = load(
            {}, data=scratch, cache=str(settings.cache_folder), aircraft="100", interval="2", quarantine_ms="1000"
        )
        driver = Supervisor(throwaway, lambda words: None, Path(scratch))
        driver.open()
        try:
            driver.start(FEED, *STREAMS)
            _wait_for_rows(driver)
        finally:
            driver.patience_seconds = WRITING_SECONDS  # the JVMs write while they end
            driver.close()
        for part, target in targets.items():
            if (written := Path(scratch) / f"{part}.jsa").exists():
                shutil.copyfile(written, target.with_suffix(".new"))
                target.with_suffix(".new").replace(target)


def _wait_for_rows(driver: Supervisor) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        parts = driver.status()["parts"]
        if all(parts[name]["rows_total"] for name in STREAMS):
            return
        time.sleep(0.5)


def main() -> None:
    """Make the archive, as `make setup` does."""
    try:
        make(load())
    except ContrailError as error:
        print(f"No quick start was prepared: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
