"""The sections about the peers, growth and the way to the screen: rows against floors, table and picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks import pictures, report
from benchmarks.growth import AGES, Point
from benchmarks.peers.race import Run
from benchmarks.screen import DRAWING, PARTS, WAITING, Screen

Row = tuple[str, str, str, bool]
NAMES = {
    "contrail": "Contrail",
    "polars_loop": "polars + deltalake loop",
    "duckdb_batch": "DuckDB, one batch",
    "notebook": "usual Spark notebook",
}
FLAT = 1.2
SCREEN_P95_SECONDS = 5.0


def peers(runs: Sequence[Run], most: int) -> list[Row]:
    """Write the section about the peers; Contrail's rows have to be right."""
    own = next(run for run in runs if run.peer == "contrail")
    rates = {NAMES[run.peer]: run.per_cpu_second for run in runs}
    wrong = [NAMES[run.peer] for run in runs if not run.right]
    pictures.bars(
        report.DOCS / "performance-peers.png", "Messages a CPU-second (orange: wrong rows)", rates, "Contrail", wrong
    )
    told = [
        [
            NAMES[run.peer],
            f"{run.per_cpu_second:,.0f}",
            f"{run.per_cpu_second / own.per_cpu_second:.2f}",
            *_start(run),
            f"{run.wall_seconds:,.0f}",
            f"{run.memory_mib:,.0f}",
            "all" if run.right else "no",
        ]
        for run in sorted(runs, key=lambda run: -run.per_cpu_second)
    ]
    head = [
        "Peer",
        "Messages a CPU-second",
        "Ratio to Contrail",
        "Start, CPU-s",
        "The same beyond the start",
        "Wall, s",
        "Peak memory, MiB",
        "Rows right",
    ]
    parts = [
        report.made_by(),
        f"The same {own.messages:,} messages in one Kafka topic, taken by each peer in turn, {most:,} at a time; CPU and memory are those of "
        "all its processes and the broker, its start included; the start is one answer alone. Rows are held against DuckDB's, which tests/test_peers.py holds against "
        "an oracle. What each peer has and lacks: [decisions/peers.md](decisions/peers.md).",
        "![Messages a CPU-second](performance-peers.png)",
        report.table(head, told),
    ]
    parts += [_errors(run) for run in runs if not run.right]
    report.write("Peers", "\n\n".join(parts))
    return [
        ("Contrail's rows beside its peers'", "all right" if own.right else "wrong", "all right", own.right),
        *((f"messages a CPU-second, {name}", f"{rate:,.0f}", "", True) for name, rate in rates.items()),
    ]


def _start(run: Run) -> list[str]:
    if run.start_cpu_seconds is None or run.per_cpu_second_after_start is None:
        return ["", ""]
    return [f"{run.start_cpu_seconds:.0f}", f"{run.per_cpu_second_after_start:,.0f}"]


def _errors(run: Run) -> str:
    sizes = {name: counts["rows"] for name, counts in run.wrong.items()}
    kinds = [[kind, f"{count:,}"] for kind, count in run.kinds.items()]
    cells = [
        [f"{name}: {what}", f"{count:,} of {sizes[name]:,}"]
        for name, counts in run.wrong.items()
        for what, count in counts.items()
        if what.startswith("rows ")
    ]
    words = ", ".join(f"{count:,} in {name}" for name, count in sizes.items())
    return f"What the {NAMES[run.peer]} gets wrong, in rows ({words}):\n\n{report.table(['Kind of error', 'Rows'], kinds + cells)}"


def growth(points: Sequence[Point], messages: int) -> list[Row]:
    """Write the section about growth: each quantity as a ratio to the first point of its group, flat within a fifth."""
    groups = [
        ("fleet", [point for point in points if point.name not in AGES]),
        ("age", [point for point in points if point.name in AGES]),
    ]
    rows: list[Row] = []
    body: list[list[str]] = []
    shown: list[str] = []
    for group, chosen in groups:
        if len(chosen) < 2:
            continue
        quantities = {"CPU a message": [point.message_us for point in chosen]}
        if group == "age":
            quantities |= {
                "start, CPU": [point.start_cpu_seconds for point in chosen],
                "readers, opening": [point.cold_ms for point in chosen],
                "readers, following": [point.warm_ms for point in chosen],
            }
        ratios = {name: [value / values[0] for value in values] for name, values in quantities.items()}
        names = [point.name for point in chosen]
        picture = f"performance-growth-{group}.png"
        pictures.lines(report.DOCS / picture, f"Growth with the {group}", names, ratios, FLAT)
        shown.append(f"![Growth with the {group}]({picture})")
        for quantity, values in ratios.items():
            rows += [
                (f"growth, {quantity}, {name}", f"{value:.2f}", f"<= {FLAT}", value <= FLAT)
                for name, value in zip(names[1:], values[1:], strict=True)
            ]
        body += [_cells(point) for point in chosen]
    head = [
        "Sky or age",
        "CPU a message, µs",
        "Start, s",
        "Start, CPU-s",
        "Peak memory, MiB",
        "Files",
        "Readers opening, ms",
        "Readers following, ms",
    ]
    missed = [f"{what}: {figure}" for what, figure, _, kept in rows if not kept]
    words = (
        f"{messages:,} messages a point, in the same topic as the two snapshots before; the CPU of a message is the difference to a run with one "
        "snapshot, so no start is in it. The ages: 12,000 aircraft every 15 s, with the past written by benchmarks/past.py, as written "
        "(two files a snapshot) and as housekeeping leaves it (files of 32 MiB). Readers: the CPU of what the pages read of the last hour."
    )
    parts = [report.made_by(), words, *shown, report.table(head, body)]
    parts.append(f"Not flat within {FLAT}: {'; '.join(missed)}." if missed else f"All flat within {FLAT}.")
    report.write("Growth", "\n\n".join(parts))
    return rows


def _cells(point: Point) -> list[str]:
    reads = ["" if math.isnan(value) else f"{value:,.0f}" for value in (point.cold_ms, point.warm_ms)]
    figures = [
        f"{point.message_us:.1f}",
        f"{point.start_seconds:.0f}",
        f"{point.start_cpu_seconds:.0f}",
        f"{point.memory_mib:,.0f}",
    ]
    return [point.name, *figures, f"{point.files:,}" if point.files else "", *reads]


def screen(found: Screen) -> list[Row]:
    """Write the section about the way to the screen."""
    p50, p95 = found.percentile(50), found.percentile(95)
    steps, parts = found.spans(), found.parts()
    pictures.waterfall(
        report.DOCS / "performance-screen.png", "From the producer's send to the screen", parts, SCREEN_P95_SECONDS
    )
    rows: list[Row] = [
        ("send to screen, p50", f"{p50:.2f} s", "", True),
        ("send to screen, p95", f"{p95:.2f} s", f"<= {SCREEN_P95_SECONDS:g} s", p95 <= SCREEN_P95_SECONDS),
        ("answers that never reached the screen", f"{found.lost}", "0", found.lost == 0),
    ]
    told = [
        [f"to {name}" if name != "screen" else "to the screen", f"{seconds:.2f}"] for name, seconds in steps.items()
    ]
    told += [["all of it, p50", f"{p50:.2f}"], ["all of it, p95", f"{p95:.2f}"]]
    told += [["answers that never reached it", f"{found.lost}"]]
    words = (
        f"{len(found.reached)} answers of 12,000 simulated aircraft, one every 15 s, through `panel serve app` into a real browser on the same machine: "
        "from the time of the answer's first message in Kafka to the frame in which the chart over time holds all of it. Floor: p95 "
        f"<= {SCREEN_P95_SECONDS:g} s, which is {'kept' if p95 <= SCREEN_P95_SECONDS else 'missed'}."
    )
    table = report.table(["Step (median, the last two all answers)", "Seconds"], told)
    milliseconds = [
        [part, *(f"{1000 * parts[step][part]:,.0f}" if part in parts[step] else "" for step in steps)]
        for part in (WAITING, *PARTS, DRAWING)
    ]
    of_batches = report.table(["Where each millisecond goes (medians)", *steps], milliseconds)
    report.write(
        "To the screen",
        "\n\n".join([report.made_by(), words, "![The way to the screen](performance-screen.png)", table, of_batches]),
    )
    return rows
