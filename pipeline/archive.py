"""The archive of classes: made once at set-up, so that every later start of the JVM skips parsing and verifying them.

A small simulated sky goes through a throwaway stack, and the JVM writes down what it has loaded when it ends (class-data
sharing, JDK 13 and newer). docs/decisions/class-archive.md has the figures.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from pipeline.errors import ContrailError
from pipeline.graph import STREAMS
from pipeline.settings import Settings, load
from pipeline.spark import class_archive
from pipeline.supervisor import FEED, Supervisor

LONGEST_SECONDS = 180.0
WRITING_SECONDS = 120.0


def make(settings: Settings) -> None:
    """Write the archive unless it is there. Without one everything works, only slower at the start."""
    target = class_archive(settings)
    if target.exists():
        return
    print("Preparing a quick start of Spark (once)", flush=True)
    with tempfile.TemporaryDirectory(prefix="contrail-") as scratch:
        written = Path(scratch) / target.name
        throwaway = load(
            {}, data=scratch, cache=str(settings.cache_folder), aircraft="100", interval="2", quarantine_ms="1000"
        )
        driver = Supervisor(throwaway, lambda words: None, archive=f"-XX:ArchiveClassesAtExit={written}")
        driver.open()
        try:
            driver.start(FEED, *STREAMS)
            _wait_for_rows(driver)
        finally:
            driver.patience_seconds = WRITING_SECONDS  # the JVM writes the archive while it ends
            driver.close()
        if written.exists():
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
