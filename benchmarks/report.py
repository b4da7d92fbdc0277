"""docs/performance.md, a section a subject: each measurement writes its own, with its picture, and leaves the others as they are."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

DOCS = Path(__file__).parents[1] / "docs"
REPORT = DOCS / "performance.md"


def write(heading: str, body: str, report: Path = REPORT) -> None:
    """Put a section into the report, in the place of the one with the same heading."""
    text = report.read_text() if report.exists() else "# Performance\n"
    section = f"## {heading}\n\n{body.strip()}\n"
    found = re.search(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    if found:
        text = text[: found.start()] + section + ("\n" if found.end() < len(text) else "") + text[found.end() :]
    else:
        text = f"{text.rstrip()}\n\n{section}"
    report.write_text(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; columns after the first are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return (
        "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("| --- |", "|---|").replace(" ---: |", "---:|")
    )


def made_by() -> str:
    """When, on what and by which command: the sentence at the head of every section."""
    words = " ".join(["python -m benchmarks", *sys.argv[1:]])
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"`{words}`, {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, "
        f"Python {platform.python_version()}; load when it ended {os.getloadavg()[0]:.1f}."
    )


def _processor() -> str:
    found = (
        re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    return found[1].strip() if found else platform.machine()
