"""Where the data comes from, how the pipeline is and how old something is, in the words of every page."""

from __future__ import annotations

from typing import Any

from pipeline.serving import Freshness

LABELS = {"simulator": "SIMULATED", "opensky": "OpenSky", "replay": "REPLAY"}


def pipeline_words(status: dict[str, Any] | None) -> tuple[str, str]:
    """The pipeline's state in a few words, and the colour that goes with it."""
    if status is None:
        return "no pipeline has run here", "secondary"
    if status["trouble"]:
        return status["trouble"]["cause"], "error"
    states = [part["state"] for part in status["parts"].values()]
    bad = [name for name, part in status["parts"].items() if part["state"] in ("failed", "stalled")]
    if bad:
        return f"{', '.join(bad)} {status['parts'][bad[0]]['state']}", "error"
    running = sum(state in ("running", "done") for state in states)
    if running == len(states):
        return "all running", "success"
    if running == 0:
        return status["doing"], "secondary" if status["doing"] == "stopped" else "info"
    return f"{running} of {len(states)} running", "warning"


def freshness_words(fresh: Freshness) -> str:
    """How old the data is and, when it is old, why."""
    age = "no data yet" if fresh.age_seconds is None else f"{age_words(fresh.age_seconds)} old"
    return f"{age}: {fresh.reason}" if fresh.reason else age


def age_words(seconds: float) -> str:
    """An age as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.0f} h"
