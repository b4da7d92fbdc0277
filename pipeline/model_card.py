"""The model card: what a training was, in Markdown with a picture of the confusion, from its figures alone.

After Mitchell et al., Model Cards for Model Reporting (2019): data, evaluation, caveats, and when not to use the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from pipeline.evaluation import Interval, Matrix, interval
from pipeline.experiment import (
    ALL,
    BOOSTING,
    FOREST,
    HONEST,
    MAJORITY,
    SAME_BOTH,
    SPEEDS,
    TESTS,
    THRESHOLDS,
    WITHOUT,
)
from pipeline.palette import PHASE_COLOURS
from pipeline.status_words import LABELS
from pipeline.tables import PHASES

INK, LINE = "#1b2733", "#d5dae0"
DARK = ("CRUISE",)  # the only colour of a phase on which white reads better than black

Figures = dict[str, Any]


def write(figures: Figures, path: Path) -> None:
    """Write the card to `path` and its picture beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = path.with_suffix(".png")
    confusion(honest_matrix(figures)).savefig(picture, dpi=120)
    path.write_text(card(figures, picture.name))


def card(figures: Figures, picture: str) -> str:
    """The card as Markdown; `picture` is the address of the confusion's picture."""
    label = LABELS.get(figures["feed"], figures["feed"])
    parts = [
        f"# Model card: flight phase by random forest\n\n**Data: {label}.** Written by `contrail train`; not to be edited.",
        _what(figures),
        _data(figures),
        _split(figures),
        _results(figures),
        _phases(figures),
        _confusion(figures, picture),
        _leaks(figures),
        _limits(figures),
        _again(figures),
    ]
    return "\n\n".join(parts) + "\n"


def summary(figures: Figures) -> str:
    """The few lines that the command ends with."""
    rows = [(name, _percent(accuracy), _two(macro)) for name, accuracy, macro in _compared(figures)]
    return _aligned([("", "accuracy", "macro F1"), *rows])


def compared(figures: Figures) -> str:
    """The classical way beside the honest one."""
    classic = Matrix(np.array(figures["classic"]["matrix"]))
    lines = [("", "rows tested", "accuracy", "macro F1")]
    lines.append(("as in the classic: random rows, all seven features", *_figures_of(classic)))
    for features in (ALL, WITHOUT):
        for test in (SAME_BOTH, HONEST):
            matrix = _matrices(figures, FOREST, features, test)[0]
            lines.append((f"{features}; tested on {test}", *_figures_of(matrix)))
    dropped = sum(figures["classic"]["dropped"].values())
    ground, all_ground = figures["classic"]["dropped"].get("GROUND", 0), figures["data"]["phases"].get("GROUND", 0)
    words = f"The classical way drops {dropped:,} of {figures['data']['used']:,} rows for a missing feature, "
    return f"{_aligned(lines)}\n{words}{ground:,} of {all_ground:,} GROUND rows among them. Nothing was saved."


def honest_matrix(figures: Figures) -> Matrix:
    """The saved model's confusion on the honest test."""
    return _matrices(figures, FOREST, ALL, HONEST)[0]


def confusion(matrix: Matrix) -> Figure:
    """Each phase by the rule (down) as shares of the model's phases (across), with the rows written in; a row in its phase's colour."""
    figure = Figure((7.2, 5.2), facecolor="white", layout="constrained")
    ax = figure.subplots()
    shares = matrix.counts / np.maximum(matrix.counts.sum(axis=1, keepdims=True), 1)
    for place, phase in enumerate(PHASES):
        colours = LinearSegmentedColormap.from_list(phase, ["#ffffff", PHASE_COLOURS[phase]])
        extent = (-0.5, len(PHASES) - 0.5, place + 0.5, place - 0.5)
        ax.imshow(shares[place : place + 1], cmap=colours, vmin=0, vmax=1, extent=extent, aspect="auto")
        for column, count in enumerate(matrix.counts[place]):
            dark = shares[place, column] > 0.5 and phase in DARK
            ax.text(
                column, place, f"{count:,}", ha="center", va="center", color="white" if dark else "black", fontsize=10
            )
    ax.set(xlim=(-0.5, len(PHASES) - 0.5), ylim=(len(PHASES) - 0.5, -0.5))
    ax.set_xticks(range(len(PHASES)), PHASES, color=INK, fontsize=9)
    ax.set_yticks(range(len(PHASES)), PHASES, color=INK, fontsize=9)
    ax.set_xlabel("phase by the model", color=INK)
    ax.set_ylabel("phase by the rule", color=INK)
    ax.tick_params(length=0)
    ax.spines[:].set_color(LINE)
    return figure


def _what(figures: Figures) -> str:
    plan = figures["plan"]
    return (
        f"A random forest ({plan['trees']} trees of depth {plan['depth']}, seed {plan['seed']}, Spark ML) that imitates the "
        "rule for `flight_phase` from seven features of Silver. The label *is* that rule, so the best it can do is to agree: it "
        "is a comparison and a check for drift, not a better judge of phases."
    )


def _data(figures: Figures) -> str:
    data = figures["data"]
    used, of = data["used"], data["of"]
    which = f"all {used:,} rows" if used == of else f"{used:,} of {of:,} rows (a seeded sample)"
    head = (
        f"## Data\n\n`flights_ml` version {data['version']}: {which}, {data['aircraft']:,} aircraft, "
        f"{_moment(data['since'])} to {_moment(data['until'])}."
    )
    phases = _table(
        ("Phase", "Rows", "Share", "Dropped by the classical way"),
        [
            (name, f"{data['phases'].get(name, 0):,}", _percent(data["phases"].get(name, 0) / used),
             f"{figures['classic']['dropped'].get(name, 0):,}")
            for name in PHASES
        ],
    )  # fmt: skip
    missing = _table(
        ("Feature", "Missing", "Share"),
        [(f"`{name}`", f"{count:,}", _percent(count / used)) for name, count in data["missing"].items()],
    )
    words = (
        "A missing feature is filled with the training rows' median, and an indicator beside it says so. No row is dropped. The "
        "classical way drops every row that lacks a feature, and with them most of GROUND, whose reports have no altitude."
    )
    return f"{head}\n\n{phases}\n\n{missing}\n\n{words}"


def _split(figures: Figures) -> str:
    parts = {name: Matrix(np.array(counts)).rows for name, counts in figures["trials"][0]["matrices"].items()}
    rows = [("train", f"{figures['data']['used'] - sum(parts.values()):,}")]
    rows += [(name, f"{parts[name]:,}") for name in TESTS]
    return (
        "## Split\n\nA quarter of the aircraft are kept from training, and so is all from "
        f"{_moment(figures['data']['cut'])} on. A fifth of the remaining rows is held out at random. The honest test is "
        f"*{HONEST}*: no aircraft and no moment of it was learned from. Rows with seed {figures['plan']['seed']}:\n\n"
        + _table(("Part", "Rows"), rows)
    )


def _results(figures: Figures) -> str:
    rows = [(name, _percent(accuracy), _two(macro)) for name, accuracy, macro in _compared(figures)]
    seeds = figures["plan"]["seeds"]
    return (
        f"## Results\n\nOn the honest test, unless said otherwise. ± is the 95 % interval of the mean over {seeds} seeds (Student's "
        "t); a seed divides the aircraft and grows the forest anew. The runs share their rows, so it does not cover another day.\n\n"
        + _table(("Way", "Accuracy", "Macro F1"), rows)
    )


def _compared(figures: Figures) -> list[tuple[str, Interval, Interval]]:
    """Each way with its accuracy and macro F1."""
    rows = [("the rule itself", Interval(1.0, float("nan")), Interval(1.0, float("nan")))]
    ways = [(f"{FOREST}, {name}", FOREST, name) for name in (ALL, WITHOUT, SPEEDS)]
    ways += [(f"{BOOSTING}, {ALL}", BOOSTING, ALL), (THRESHOLDS, THRESHOLDS, ALL), (MAJORITY, MAJORITY, ALL)]
    for words, learner, features in ways:
        found = _matrices(figures, learner, features, HONEST)
        rows.append((words, _over(found, lambda one: one.accuracy), _over(found, lambda one: one.macro_f1)))
    classic = [Matrix(np.array(figures["classic"]["matrix"]))]
    accuracy, macro = _over(classic, lambda one: one.accuracy), _over(classic, lambda one: one.macro_f1)
    return [*rows, ("as in the classic (random rows, missing dropped)", accuracy, macro)]


def _phases(figures: Figures) -> str:
    columns = [_matrices(figures, FOREST, features, HONEST) for features in (ALL, WITHOUT, SPEEDS)]
    rows = []
    for place, phase in enumerate(PHASES):
        tested = int(columns[0][0].counts[place].sum())
        f1 = [_two(interval([float(one.f1[place]) for one in found])) for found in columns]
        rows.append((phase, f"{tested:,}", *f1))
    head = ("Phase", "Rows tested", *(name.capitalize() for name in (ALL, WITHOUT, SPEEDS)))
    return "## F1 of each phase\n\nThe forests on the honest test; – where no row has the phase.\n\n" + _table(
        head, rows
    )


def _confusion(figures: Figures, picture: str) -> str:
    matrix = honest_matrix(figures)
    rows = [(phase, *(f"{count:,}" for count in matrix.counts[place])) for place, phase in enumerate(PHASES)]
    return (
        f"## Confusion\n\nThe saved model on the honest test; the rule's phase down, the model's across.\n\n"
        f"![Confusion of the saved model on the honest test]({picture})\n\n" + _table(("", *PHASES), rows)
    )


def _leaks(figures: Figures) -> str:
    rows = []
    for features in (ALL, WITHOUT, SPEEDS):
        tests = [_matrices(figures, FOREST, features, test) for test in TESTS]
        leak = [easy.accuracy - hard.accuracy for easy, hard in zip(tests[0], tests[-1], strict=True)]
        accuracies = [_percent(_over(found, lambda one: one.accuracy)) for found in tests]
        rows.append((features, *accuracies, _points(interval(leak))))
    pairs = zip(_matrices(figures, FOREST, ALL, HONEST), _matrices(figures, FOREST, WITHOUT, HONEST), strict=True)
    inputs = [(one.accuracy - other.accuracy, one.macro_f1 - other.macro_f1) for one, other in pairs]
    accuracy, macro = (interval(values) for values in zip(*inputs, strict=True))
    return (
        "## Leakage\n\n**By the split.** The same forests, tested on rows that share their aircraft, their time, both, or "
        "neither. The last column is what a random split flatters by: the first accuracy less the last, in percentage points. "
        "Where it is not above 0 beyond its interval, none was found on this data.\n\n"
        + _table(("Features", *(f"Accuracy: {name}" for name in TESTS), "Leak"), rows)
        + f"\n\n**By the label.** The rule looks at `altitude_meters` and, through the climb rate, at `altitude_change`. "
        f"With them a forest gains {_points(accuracy)} points of accuracy and {_two(macro)} of macro F1 on the honest test. The "
        "rolling altitudes are made of the same numbers, so *speeds alone* is the only row that never saw an altitude. Whether a "
        "value is missing tells as well: most GROUND reports lack the altitude, and an airborne one without is TRANSITION."
    )


def _limits(figures: Figures) -> str:
    lines = [
        "to find out what phase a flight is in: the rule is exact by definition, costs nothing and is in `flight_phase`;",
        "as evidence that phases can be learned: the label is a rule, not what a pilot did;",
        "for reports at another interval than those above: `altitude_change` is per report, not per second;",
        "for single reports where an error matters, above all of the rare phases (see their F1);",
        "on another feed or year than the one above without training and judging it there;",
    ]
    if figures["feed"] == "simulator":
        lines.append(
            "to say anything of the real sky: these figures are of a **simulated** one, whose aircraft are all flown by the same "
            "equations. There speed gives the phase away and the split hardly matters; real aircraft differ more."
        )
    lines[-1] = lines[-1].rstrip(".;") + "."
    return "## When not to use it\n\n" + "\n".join(f"- {line}" for line in lines)


def _again(figures: Figures) -> str:
    plan = figures["plan"]
    options = [f"--{name} {plan[name]}" for name in ("rows", "seed")]
    options += [f'--{name} "{plan[name]}"' for name in ("since", "until") if plan[name]]
    return (
        f"## Again\n\n`contrail train {' '.join(options)}` on version {figures['data']['version']} of the table gives the same figures: "
        "rows are chosen by hashes, and every draw has a seed."
    )


def _matrices(figures: Figures, learner: str, features: str, test: str) -> list[Matrix]:
    chosen = [one for one in figures["trials"] if (one["learner"], one["features"]) == (learner, features)]
    return [Matrix(np.array(one["matrices"][test])) for one in chosen]


def _over(found: list[Matrix], value: Callable[[Matrix], float]) -> Interval:
    return interval([value(one) for one in found])


def _figures_of(matrix: Matrix) -> tuple[str, str, str]:
    return f"{matrix.rows:,}", _percent(matrix.accuracy), f"{matrix.macro_f1:.3f}"


def _percent(value: float | Interval) -> str:
    if isinstance(value, float):
        return f"{100 * value:.2f} %"
    return f"{100 * value.mean:.2f}{_width(100 * value.half_width, 2)} %"


def _points(value: Interval) -> str:
    return f"{100 * value.mean:+.2f}{_width(100 * value.half_width, 2)}"


def _two(value: Interval) -> str:
    return "–" if np.isnan(value.mean) else f"{value.mean:.3f}{_width(value.half_width, 3)}"


def _width(half: float, digits: int) -> str:
    return "" if np.isnan(half) else f" ± {half:.{digits}f}"


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [" | ".join(line) for line in (head, *rows)]
    return "\n".join([f"| {lines[0]} |", "|" + "---|" * len(head), *(f"| {line} |" for line in lines[1:])])


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
