"""The model card says what the run found: every figure of it is computed again from the counts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline import model_card, model_store, ops
from pipeline.experiment import ALL, FOREST, HONEST, SAME_BOTH, WITHOUT
from pipeline.tables import PHASES, lake_of


@pytest.fixture(scope="module")
def card(trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "model-card.md"
    model_card.write(trained, path)
    return path


def table(card: Path, title: str, number: int = 0) -> dict[str, list[str]]:
    """A table of a section: first cell -> the others."""
    text = re.split(r"^## ", card.read_text(), flags=re.MULTILINE)
    (section,) = [part for part in text if part.startswith(f"{title}\n")]
    found = re.findall(r"((?:^\|.*\n?)+)", section, flags=re.MULTILINE)[number]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.strip().splitlines()]
    return {line[0]: line[1:] for line in lines[2:]}


def counts(figures: dict, features: str, test: str) -> list[np.ndarray]:
    chosen = [one for one in figures["trials"] if one["learner"] == FOREST and one["features"] == features]
    return [np.array(one["matrices"][test]) for one in chosen]


def accuracy(matrix: np.ndarray) -> float:
    return 100 * sum(matrix[place][place] for place in range(6)) / sum(map(sum, matrix))


def test_the_lake_keeps_the_figures_that_the_card_is_written_from(flown, trained):
    assert model_store.current(lake_of(flown)) == trained
    assert ops.read(lake_of(flown), ops.MODEL) == trained


def test_the_label_of_a_simulated_sky_is_on_the_card(card):
    assert "**Data: SIMULATED.**" in card.read_text()
    assert "**simulated**" in card.read_text()


def test_accuracies_are_the_means_over_the_seeds(card, trained):
    told = table(card, "Results")
    for features in (ALL, WITHOUT):
        each = [accuracy(matrix) for matrix in counts(trained, features, HONEST)]
        half = 12.706 * np.std(each, ddof=1) / np.sqrt(2)
        assert told[f"random forest, {features}"][0] == f"{np.mean(each):.2f} ± {half:.2f} %"
    classic = accuracy(np.array(trained["classic"]["matrix"]))
    assert told["as in the classic (random rows, missing dropped)"][0] == f"{classic:.2f} %"


def test_the_confusion_is_the_saved_models(card, trained):
    told = table(card, "Confusion")
    saved = counts(trained, ALL, HONEST)[0]
    assert {name: [int(cell.replace(",", "")) for cell in row] for name, row in told.items()} == {
        phase: saved[place].tolist() for place, phase in enumerate(PHASES)
    }


def test_f1_stands_for_each_phase(card, trained):
    told = table(card, "F1 of each phase")
    assert list(told) == list(PHASES)
    for place, phase in enumerate(PHASES):
        each = []
        for matrix in counts(trained, ALL, HONEST):
            hits, wrong = matrix[place][place], matrix[place].sum() + matrix[:, place].sum() - 2 * matrix[place][place]
            if matrix[place].sum():
                each.append(2 * hits / (2 * hits + wrong))
        assert told[phase][1].startswith(f"{np.mean(each):.3f}" if each else "–")


def test_the_leak_is_the_easy_accuracy_less_the_honest_one(card, trained):
    told = table(card, "Leakage")[WITHOUT]
    pairs = zip(counts(trained, WITHOUT, SAME_BOTH), counts(trained, WITHOUT, HONEST), strict=True)
    assert told[-1].startswith(f"{np.mean([accuracy(easy) - accuracy(hard) for easy, hard in pairs]):+.2f}")


def test_the_parts_of_the_split_add_up(card, trained):
    parts = [int(row[0].replace(",", "")) for row in table(card, "Split").values()]
    assert sum(parts) == trained["data"]["used"]


def test_the_picture_is_there_and_linked(card):
    assert card.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert f"({card.with_suffix('.png').name})" in card.read_text()


def test_the_comparison_names_what_the_classical_way_drops(trained):
    told = model_card.compared(trained)
    dropped = sum(trained["classic"]["dropped"].values())
    assert f"drops {dropped:,} of {trained['data']['used']:,} rows" in told
    assert f"{accuracy(np.array(trained['classic']['matrix'])):.2f} %" in told
