"""How much room the data takes, and what is said when that is too much."""

from __future__ import annotations

from dataclasses import replace

from pipeline import disk
from pipeline.settings import load
from pipeline.tables import Lake


def test_data_folder_and_lake_are_counted_once(tmp_path):
    (tmp_path / "data" / "lake").mkdir(parents=True)
    (tmp_path / "data" / "lake" / "rows").write_bytes(b"x" * 1_000_000)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "rows").write_bytes(b"x" * 2_000_000)
    settings = load({}, data=str(tmp_path / "data"))
    assert 1_000_000 <= disk.used(Lake(str(tmp_path / "data" / "lake")), settings) < 1_100_000
    assert 3_000_000 <= disk.used(Lake(str(tmp_path / "else")), settings) < 3_200_000
    assert disk.used(Lake(str(tmp_path / "none")), replace(settings, data=str(tmp_path / "none"))) == 0


def test_what_exceeds_the_budget_is_told_with_figures_and_cure():
    assert disk.exceeded(10**12, None) == ""
    assert disk.exceeded(2_000_000_000, 2) == ""
    said = disk.exceeded(2_500_000_000, 2)
    assert "2.50 GB of the 2 GB that CONTRAIL_DISK_BUDGET_GB" in said
    assert "raise the budget" in said
