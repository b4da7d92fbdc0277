"""`make bench`: the short form, within ten minutes. `python -m benchmarks --full` measures everything, `python -m benchmarks latency` one
thing; with `--full` behind it, that in full. Peers, growth and screen write their section of docs/performance.md, the whole run all of it."""

from __future__ import annotations

import math
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import backlog, brush, cluster, figures, growth, latency, page, report, s3, screen, sections, viewer
from benchmarks.peers import race
from benchmarks.sections import Row
from explore.sample import MOST

FLOORS = ("latency", "backlog", "page", "viewer", "figures", "brush", "s3")
MEASUREMENTS = (*FLOORS, "cluster", "peers", "growth", "screen")
SHORT = ("peers", "screen", "latency")
# Messages, and how many a batch takes; rounds, of which the best counts.
PEERS_SHORT, PEERS_FULL = (120_000, 70_000, 1), (1_000_000, 250_000, 2)
GROWTH_SHORT, GROWTH_FULL = (
    (150_000, (1_000, 10_000), ("1 hour", "30 days, compacted")),
    (500_000, growth.FLEETS, tuple(growth.AGES)),
)
SCREEN_SHORT, SCREEN_FULL = (75.0, 60.0), (450.0, 120.0)  # seconds looked at, and of warm-up
LATENCY_SHORT, LATENCY_FULL = (3, 6), (10, 16)  # snapshots of warm-up, and measured
MESSAGES = 1_000_000
LARGE_BACKLOG = 2_000_000
# Messages per CPU-second that a backlog has to reach: of so many messages, and of the large one.
BACKLOG_FLOOR, LARGE_BACKLOG_FLOOR = 13_000, 20_000
COLD, WARM = "with the stack's start", "streams stopped and started in a stack that has run"
S3_WARM_UP, S3_SNAPSHOTS = 5, 8
LOOKED_SECONDS = 150.0


def main() -> int:
    """Run what is named on the command line, or the short form; exit code 1 when a floor is missed."""
    full = "--full" in sys.argv
    names = [name for name in sys.argv[1:] if name != "--full"] or [*(MEASUREMENTS if full else SHORT)]
    if unknown := {*names} - {*MEASUREMENTS}:
        print(f"There is no measurement {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}.")
        return 2
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="contrail-bench-") as folder:
        if "backlog" in names:
            print(f"Backlog of {MESSAGES:,} messages", flush=True)
            rows += said(backlog_rows(backlog.measure(Path(folder) / "backlog", MESSAGES), COLD, BACKLOG_FLOOR))
            if full:
                print(f"Backlog of {LARGE_BACKLOG:,} messages, then as many again", flush=True)
                found = backlog.in_turn(Path(folder) / "large", LARGE_BACKLOG, 2)
                for one, how in zip(found, (COLD, WARM), strict=True):
                    rows += said(backlog_rows(one, how, LARGE_BACKLOG_FLOOR))
        if "latency" in names:
            snapshots = LATENCY_FULL if full else LATENCY_SHORT
            print(f"{latency.AIRCRAFT:,} aircraft every {latency.INTERVAL_SECONDS} s", flush=True)
            rows += said(latency_rows(latency.measure(Path(folder) / "latency", *snapshots, idle=full)))
            if full:
                print(f"{latency.AIRCRAFT:,} aircraft every {latency.SOONER_SECONDS} s", flush=True)
                more = (count * latency.INTERVAL_SECONDS // latency.SOONER_SECONDS for count in snapshots)
                rows += said(sooner_rows(latency.measure(Path(folder) / "sooner", *more, latency.SOONER_SECONDS)))
        if "page" in names:
            print(f"The page, alone and with {page.SESSIONS} more sessions", flush=True)
            rows += said(page_rows(page.measure(Path(folder) / "page", LOOKED_SECONDS)))
        if "viewer" in names:
            print(f"The viewer, on three thousand files and with {viewer.SESSIONS} sessions", flush=True)
            rows += said(viewer_rows(viewer.measure(Path(folder) / "viewer", LOOKED_SECONDS)))
        if {"figures", "brush"} & {*names}:
            print(f"Explore at {MOST:,} rows", flush=True)
            hour = figures.lake_of_an_hour(Path(folder) / "hour")
            rows += said(figure_rows(figures.measure(hour))) if "figures" in names else []
            rows += said(brush_rows(brush.measure(Path(folder) / "brush", hour))) if "brush" in names else []
        if "s3" in names:
            print("The lake on a disk, then on S3", flush=True)
            rows += said(s3_rows(s3.measure(Path(folder) / "s3", S3_WARM_UP, S3_SNAPSHOTS)))
        if "cluster" in names:
            print(f"{MESSAGES:,} messages through one executor, then through two", flush=True)
            rows += said(cluster_rows(cluster.measure(Path(folder) / "cluster", MESSAGES)))
        if "peers" in names:
            messages, most, rounds = PEERS_FULL if full else PEERS_SHORT
            print(f"{messages:,} messages through Contrail and its peers", flush=True)
            rows += said(
                sections.peers(race.measure(Path(folder) / "peers", messages, most, rounds, starts=full), most)
            )
        if "growth" in names:
            messages, fleets, ages = GROWTH_FULL if full else GROWTH_SHORT
            print("Larger skies and older tables", flush=True)
            rows += said(sections.growth(growth.measure(Path(folder) / "growth", messages, fleets, ages), messages))
        if "screen" in names:
            print("From the producer's send to the screen", flush=True)
            rows += said(
                sections.screen(screen.measure(Path(folder) / "screen", *(SCREEN_FULL if full else SCREEN_SHORT)))
            )
    if {*FLOORS} <= {*names}:
        report.write("Floors", floors("\n".join(map(line, rows))))
    return 0 if all(kept for *_, kept in rows) else 1


def said(rows: list[Row]) -> list[Row]:
    """Print rows as soon as they are known: a later measurement may fail."""
    print("\n".join(map(line, rows)), flush=True)
    return rows


def line(row: Row) -> str:
    """A row of the table: what, its figure, its floor, whether that is kept."""
    what, figure, floor, kept = row
    return f"| {what} | {figure} | {floor} | {'yes' if kept else 'NO'} |"


def latency_rows(found: latency.Latency) -> list[Row]:
    """Figures of the live measurement against their floors; without the idle cores where those were not measured."""
    idle = ("cores when no data comes", f"{found.idle_cores:.2f}", "<= 0.1", found.idle_cores <= 0.1)
    p50, p95 = found.percentile(50), found.percentile(95)
    return [
        ("snapshot to Gold, p50", f"{p50:.2f} s", "<= 4 s", p50 <= 4),
        ("snapshot to Gold, p95", f"{p95:.2f} s", "<= 3.5 s", p95 <= 3.5),
        ("cores while at it", f"{found.cores:.2f}", "", True),
        *([] if math.isnan(found.idle_cores) else [idle]),
        ("memory of the whole stack", f"{found.memory_mib:,.0f} MiB", "<= 2,560 MiB", found.memory_mib <= 2560),
    ]


def sooner_rows(found: latency.Latency) -> list[Row]:
    """Figures of the live measurement with three times as many snapshots."""
    p95, every = found.percentile(95), f"every {latency.SOONER_SECONDS} s"
    return [
        (f"snapshot to Gold, {every}, p50", f"{found.percentile(50):.2f} s", "", True),
        (f"snapshot to Gold, {every}, p95", f"{p95:.2f} s", "<= 4.5 s", p95 <= 4.5),
        (f"cores while at it, {every}", f"{found.cores:.2f}", "<= 1.2", found.cores <= 1.2),
    ]


def backlog_rows(found: backlog.Backlog, how: str, floor: int) -> list[Row]:
    """Figures of the backlog against their floors; `floor` is in messages per CPU-second, `how` what the time includes."""
    rate = found.per_cpu_second
    what = f"backlog, {found.messages:,} messages, {how}"
    return [
        (f"{what}, per CPU-second", f"{rate:,.0f}", f">= {floor:,}", rate >= floor),
        (what, f"{found.wall_seconds:.0f} s, {found.cpu_seconds:.0f} CPU-s", "", True),
        (f"{what}, memory", f"{found.memory_mib:,.0f} MiB", "<= 3,072 MiB", found.memory_mib <= 3072),
        (
            f"{what}, audit",
            "every row accounted for" if found.accounted_for else "rows missing",
            "",
            found.accounted_for,
        ),
    ]


def s3_rows(found: s3.Places) -> list[Row]:
    """The same measurement with the lake on S3 against that on a disk."""
    disk, s3_seconds, ratio = found.disk.percentile(50), found.s3.percentile(50), found.ratio
    return [
        ("snapshot to Gold, p50, disk and S3 in one run", f"{disk:.2f} and {s3_seconds:.2f} s", "", True),
        ("S3 over disk", f"{ratio:.2f}", "<= 1.5", ratio <= 1.5),
        ("cores with the lake on S3", f"{found.s3.cores:.2f}", "", True),
    ]


def cluster_rows(found: list[backlog.Backlog]) -> list[Row]:
    """The same backlog through one executor and through two."""
    return [
        (
            f"backlog, executors of one core: {executors}",
            f"{one.messages:,} in {one.wall_seconds:.0f} s, {one.cpu_seconds:.0f} CPU-s, {one.memory_mib:,.0f} MiB",
            "",
            one.accounted_for,
        )
        for executors, one in zip(cluster.EXECUTORS, found, strict=True)
    ]


def page_rows(found: page.PageCosts) -> list[Row]:
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


def viewer_rows(found: viewer.ViewerCosts) -> list[Row]:
    """Figures of the viewer against their floors."""
    slowest, fewest = max(found.complete_seconds), 0.9 * 2 * viewer.SESSIONS / viewer.REFRESH_SECONDS * LOOKED_SECONDS
    crowd = f"cores for {viewer.SESSIONS} viewers at {viewer.REFRESH_SECONDS} s"
    return [
        (f"viewer complete, {found.files:,} files, slowest", f"{slowest:.2f} s", "<= 2 s", slowest <= 2),
        (f"the same, median of {viewer.OPENINGS}", f"{np.median(found.complete_seconds):.2f} s", "", True),
        ("the same for the first who ask a new server", f"{found.first_seconds:.2f} s", "", True),
        (crowd, f"{found.cores:.2f}", "<= 0.5", found.cores <= 0.5),
        ("parts refreshed for them", f"{found.refreshes:,}", f">= {fewest:,.0f}", found.refreshes >= fewest),
        ("viewer's memory with them", f"{found.mib:,.0f} MiB", "", True),
    ]


def figure_rows(found: list[figures.FigureCost]) -> list[Row]:
    """Figures of Explore against their floor."""
    return [
        (
            f"figure `{one.name}`, drawing and encoding",
            f"{one.drawing:.2f} + {one.encoding:.2f} s, {one.cpu_seconds:.2f} CPU-s",
            "<= 0.5 s",
            one.seconds <= 0.5,
        )
        for one in found
    ]


def brush_rows(seconds: list[float]) -> list[Row]:
    """Figures of the brushed view."""
    p50, p95 = (float(np.percentile(seconds, share)) for share in (50, 95))
    return [("end of a drag to all plots and the table, p50 and p95", f"{p50:.2f} and {p95:.2f} s", "", True)]


def floors(table: str) -> str:
    """The text of the section about floors."""
    java, python = "JVM with 1 GiB of heap", platform.python_version()
    return (
        f"`python -m benchmarks --full`, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {python}, {java}. "
        f"The live rows: {latency.AIRCRAFT:,} simulated aircraft every {latency.INTERVAL_SECONDS} s, {LATENCY_FULL[0]} snapshots of warm-up, "
        f"{LATENCY_FULL[1]} measured, from the moment the feed makes the answer until both Gold tables hold all of it. "
        "The backlog is in Kafka before the streams start; the CPU time is that of driver, JVM, Python workers and broker. "
        "The page rows: the same sky, a real browser, and sessions that take every update over "
        f"their own socket; {LOOKED_SECONDS:.0f} s alone, {2 * LOOKED_SECONDS:.0f} s with them. "
        f"The viewer rows: {viewer.AIRCRAFT:,} aircraft every {viewer.INTERVAL_SECONDS:.0f} s in two files each, a real server that "
        f"opens its page {viewer.OPENINGS} times in a real browser, then {viewer.SESSIONS} sessions over their own sockets, each "
        "of which asks for both parts of its page as a browser does, while the lake grows. "
        f"The figures: each drawn and encoded as the page's worker does, of {MOST:,} rows of a simulated hour, medians of {figures.ROUNDS}; "
        f"then {brush.DRAGS} drags over the plots of the brushed view in a real browser. "
        f"S3 is a versitygw on loopback; {S3_WARM_UP} snapshots of warm-up and {S3_SNAPSHOTS} measured, on a disk and then on S3.\n\n"
        f"| What | Measured | Floor | Kept |\n|---|---|---|---|\n{table}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
