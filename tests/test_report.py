"""The performance page is written a section a subject."""

from __future__ import annotations

from benchmarks import report


def test_a_section_takes_the_place_of_the_one_with_its_heading_and_leaves_the_others(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n\nWords.\n\n## Floors\n\nOld.\n\n## Growth\n\nKept.\n")
    report.write("Floors", "New.\n", page)
    report.write("Peers", "First.", page)
    report.write("Peers", "Second.", page)
    assert page.read_text() == (
        "# Performance\n\nWords.\n\n## Floors\n\nNew.\n\n## Growth\n\nKept.\n\n## Peers\n\nSecond.\n"
    )


def test_a_table_has_a_line_a_row():
    assert report.table(["What", "Figure"], [["one", "1"]]) == "| What | Figure |\n|---|---:|\n| one | 1 |"
