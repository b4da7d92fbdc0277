"""The pictures of docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipeline.palette import ANOMALY, PHASE_COLOURS

OWN, OTHER, INK = PHASE_COLOURS["CRUISE"], PHASE_COLOURS["GROUND"], "#333333"
STEPS = [PHASE_COLOURS[name] for name in ("GROUND", "TAKEOFF", "CLIMB", "CRUISE", "DESCENT", "TRANSITION")]


def bars(path: Path, title: str, values: Mapping[str, float], own: str, wrong: Sequence[str] = ()) -> None:
    """A horizontal bar a name, the greatest on top; the own one in colour, those with wrong rows in that of alarm."""
    figure, axes = _canvas(title, height=0.8 + 0.45 * len(values))
    names = sorted(values, key=lambda name: values[name])
    colours = [ANOMALY if name in wrong else OWN if name == own else OTHER for name in names]
    drawn = axes.barh(names, [values[name] for name in names], color=colours)
    axes.bar_label(drawn, [f"{values[name]:,.0f}" for name in names], padding=4, color=INK, fontsize=9)
    axes.margins(x=0.15)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    _save(figure, path)


def waterfall(path: Path, title: str, steps: Mapping[str, Mapping[str, float]], goal: float) -> None:
    """Steps one after the other on one axis of seconds, each in its parts, with the goal as a line."""
    figure, axes = _canvas(title, height=1.7 + 0.45 * len(steps))
    parts = [*dict.fromkeys(part for step in steps.values() for part in step)]
    begun = 0.0
    for place, step in enumerate(steps.values()):
        for part, seconds in step.items():
            axes.barh(len(steps) - place, seconds, left=begun, color=STEPS[parts.index(part)])
            begun += seconds
        axes.annotate(
            f"{sum(step.values()):.2f} s",
            (begun, len(steps) - place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            bbox={"color": "white", "pad": 1},  # it may stand on the line of the goal
        )
    axes.set_yticks([len(steps) - place for place in range(len(steps))], list(steps))
    axes.axvline(goal, color=INK, linewidth=0.8, linestyle="--")
    axes.annotate(
        f"floor {goal:g} s", (goal, len(steps) + 0.3), (4, 0), textcoords="offset points", fontsize=8, color=INK
    )
    axes.set_xlabel("seconds after the producer's send (medians)")
    axes.margins(x=0.12)
    colours = [Patch(color=STEPS[place]) for place in range(len(parts))]
    figure.legend(colours, parts, loc="outside lower left", ncols=2, frameon=False, fontsize=8)
    _save(figure, path)


def lines(path: Path, title: str, across: Sequence[str], ratios: Mapping[str, Sequence[float]], bound: float) -> None:
    """A line a quantity over the same points, as ratios to the first; the bound as a line."""
    figure, axes = _canvas(title, height=3.2)
    for (name, values), colour in zip(
        ratios.items(), (OWN, PHASE_COLOURS["CLIMB"], PHASE_COLOURS["TAKEOFF"], OTHER), strict=False
    ):
        axes.plot(across, values, marker="o", color=colour, label=name)
    axes.axhline(bound, color=INK, linewidth=0.8, linestyle="--")
    axes.annotate(f"bound {bound:g}", (0, bound), (4, 3), textcoords="offset points", fontsize=8, color=INK)
    axes.set_ylabel("ratio to the first point")
    axes.set_ylim(0, 1.1 * max(bound, *map(max, ratios.values())))
    axes.legend(frameon=False, fontsize=9)
    _save(figure, path)


def over_time(
    path: Path, title: str, samples: Sequence[tuple[float, float, float, int]], marks: Sequence[float]
) -> None:
    """Lag in seconds and memory in MB over minutes, one above the other, with a line at each mark."""
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 4.2), sharex=True, layout="constrained")
    upper.set_title(title, loc="left", fontsize=11, color=INK)
    minutes = [sample[0] for sample in samples]
    for axes, values, unit in (
        (upper, [one[1] for one in samples], "lag, s"),
        (lower, [one[2] for one in samples], "memory, MB"),
    ):
        for mark in marks:
            axes.axvline(mark, color=ANOMALY, linewidth=0.8, linestyle=":")
        axes.plot(minutes, values, color=OWN, linewidth=1.2)
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    lower.set_xlabel("minutes; dotted: a kill")
    _save(figure, path)


def _canvas(title: str, height: float) -> tuple[Figure, Axes]:
    figure, axes = plt.subplots(figsize=(8, height), layout="constrained")
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(left=False, labelsize=9)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=120, facecolor="white")
    plt.close(figure)
