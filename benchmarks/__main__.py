"""`make bench`: every measurement, and docs/performance.md written from it. `python -m benchmarks latency` does one."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import backlog, latency, page

REPORT = Path(__file__).parents[1] / "docs" / "performance.md"
WARM_UP, SNAPSHOTS, MESSAGES = 10, 16, 1_000_000
LOOKED_SECONDS = 150.0


def main() -> int:
    """Run what is named on the command line, or everything; exit code 1 when a floor is missed."""
    names = sys.argv[1:] or ["latency", "backlog", "page"]
    rows: list[tuple[str, str, str, bool]] = []
    with tempfile.TemporaryDirectory(prefix="contrail-bench-") as folder:
        if "backlog" in names:
            print(f"Backlog of {MESSAGES:,} messages", flush=True)
            rows += backlog_rows(backlog.measure(Path(folder) / "backlog", MESSAGES))
        if "latency" in names:
            print(f"{latency.AIRCRAFT:,} aircraft every {latency.INTERVAL_SECONDS} s", flush=True)
            rows += latency_rows(latency.measure(Path(folder) / "latency", WARM_UP, SNAPSHOTS))
        if "page" in names:
            print(f"The page, alone and with {page.SESSIONS} more sessions", flush=True)
            rows += page_rows(page.measure(Path(folder) / "page", LOOKED_SECONDS))
    table = "\n".join(
        f"| {what} | {figure} | {floor} | {'yes' if kept else 'NO'} |" for what, figure, floor, kept in rows
    )
    print(table)
    if set(names) == {"latency", "backlog", "page"}:
        REPORT.write_text(report(table))
    return 0 if all(kept for *_, kept in rows) else 1


def latency_rows(found: latency.Latency) -> list[tuple[str, str, str, bool]]:
    """Figures of the live measurement against their floors."""
    p50, p95 = found.percentile(50), found.percentile(95)
    return [
        ("snapshot to Gold, p50", f"{p50:.2f} s", "<= 4 s", p50 <= 4),
        ("snapshot to Gold, p95", f"{p95:.2f} s", "<= 5.5 s", p95 <= 5.5),
        ("cores while at it", f"{found.cores:.2f}", "", True),
        ("cores when no data comes", f"{found.idle_cores:.2f}", "<= 0.25", found.idle_cores <= 0.25),
        ("memory of the whole stack", f"{found.memory_mib:,.0f} MiB", "<= 3,072 MiB", found.memory_mib <= 3072),
    ]


def backlog_rows(found: backlog.Backlog) -> list[tuple[str, str, str, bool]]:
    """Figures of the backlog against their floors."""
    rate = found.per_cpu_second
    return [
        ("backlog, messages per CPU-second", f"{rate:,.0f}", ">= 13,000", rate >= 13_000),
        (
            "backlog, messages",
            f"{found.messages:,} in {found.wall_seconds:.0f} s, {found.cpu_seconds:.0f} CPU-s",
            "",
            True,
        ),
        ("backlog, memory", f"{found.memory_mib:,.0f} MiB", "<= 3,072 MiB", found.memory_mib <= 3072),
        (
            "backlog, audit",
            "every row accounted for" if found.accounted_for else "rows missing",
            "",
            found.accounted_for,
        ),
    ]


def page_rows(found: page.PageCosts) -> list[tuple[str, str, str, bool]]:
    """Figures of the page against their floors."""
    alone, crowded = (float(np.percentile(delays, 95)) for delays in (found.alone, found.crowded))
    more = found.cores_crowded - found.cores_alone
    return [
        ("page usable after the server answers", f"{found.usable_seconds:.2f} s", "<= 2 s", found.usable_seconds <= 2),
        ("Gold commit to pixel, p95", f"{alone:.2f} s", "<= 1 s", alone <= 1),
        (f"the same with {page.SESSIONS} more sessions", f"{crowded:.2f} s", "<= 1 s", crowded <= 1),
        (f"cores for {page.SESSIONS} more sessions", f"{more:.2f}", "<= 0.5", more <= 0.5),
        ("sessions left alive after they closed", f"{found.left_alive}", "0", found.left_alive == 0),
        ("server's memory before and after them", f"{found.mib_before:,.0f} and {found.mib_after:,.0f} MiB", "", True),
    ]


def report(table: str) -> str:
    """The text of docs/performance.md."""
    java, python = "JVM with 1 GiB of heap", platform.python_version()
    return (
        "# Performance\n\n"
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {python}, {java}. "
        f"The live rows: {latency.AIRCRAFT:,} simulated aircraft every {latency.INTERVAL_SECONDS} s, {WARM_UP} snapshots of warm-up, "
        f"{SNAPSHOTS} measured, from the moment the feed makes the answer until both Gold tables hold all of it. "
        "The backlog is in Kafka before the streams start; the CPU time is that of driver, JVM, Python workers and broker, "
        "the JVM's cold start included. The page rows: the same sky, a real browser, and sessions that take every update over "
        f"their own socket; {LOOKED_SECONDS:.0f} s alone, {2 * LOOKED_SECONDS:.0f} s with them.\n\n"
        f"| What | Measured | Floor | Kept |\n|---|---|---|---|\n{table}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
