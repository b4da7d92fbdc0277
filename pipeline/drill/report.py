"""What came of the faults, as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.drill.case import Outcome

HEAD = ("fault", "what happened", "lost", "repeated", "seconds", "verdict")
WIDEST = 70


def table(outcomes: Sequence[Outcome]) -> str:
    """A line a case."""
    lines = [HEAD, *map(_cells, outcomes)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cells(outcome: Outcome) -> tuple[str, ...]:
    difference = outcome.difference
    wrong = f"{outcome.verdict} ({difference.wrong} wrong)" if difference.wrong else outcome.verdict
    seconds = "" if outcome.seconds is None else f"{outcome.seconds:.0f}"
    happened = outcome.happened.splitlines()[0][:WIDEST]
    return outcome.case.name, happened, str(difference.lost), str(difference.repeated), seconds, wrong
