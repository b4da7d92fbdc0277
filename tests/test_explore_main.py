"""`python -m explore` as its users run it: what it writes, of which rows, and what it says to wrong values."""

from __future__ import annotations

import argparse
import io
import re
import sys
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from explore import __main__ as command
from explore.figures import FIGURES, caption_of, drawn
from explore.queries import QUERIES, answered, csv
from explore.sample import reach, taken
from explore.style import png
from pipeline.drill.processes import finished
from pipeline.serving import Reader
from pipeline.settings import Settings, load
from pipeline.tables import FLIGHTS_ML, Lake, lake_of
from tests.small_lake import flight, put


def asked(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"


def picture(name: str, reader: Reader, sample: command.Sample) -> bytes:
    """The PNG that this figure of these rows has."""
    shown = command.rows_of(name, reader, sample)
    return png(drawn(name, shown, caption=f"SIMULATED: {caption_of(shown)}"), command.DPI)


def test_every_figure_and_table_of_the_range_and_country_is_written(flown: Settings, trained, tmp_path: Path):
    lake, out = lake_of(flown), tmp_path / "out"
    reader = Reader(lake)
    found = reach(reader)
    assert found
    # The newest half: the model's honest test lies there.
    since = (found[0] + (found[1] - found[0]) / 2).replace(second=0)
    until = found[1].replace(second=0)
    countries = list(reader.column(FLIGHTS_ML, "origin_country", "GROUP BY 1 ORDER BY count(*) DESC, 1"))[:2]
    options = [f"--country={country}" for country in countries]
    ran = finished(
        [
            sys.executable,
            "-m",
            "explore",
            "--out",
            str(out),
            "--since",
            asked(since),
            "--until",
            asked(until),
            *options,
        ],
        {"CONTRAIL_DATA": str(flown.data_folder)},
        tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in out.iterdir()} == {f"{one}.png" for one in FIGURES} | {
        f"{one}.csv" for one in QUERIES
    }
    sample = taken(reader, since, until, countries)
    assert sample.of > 100
    assert ran.stdout.startswith(caption_of(sample))
    assert set(countries) <= set(re.split(r"; |, ", caption_of(sample)))
    told = re.findall(r"^\[(\d+)/(\d+)\] (\S+) ", ran.stdout, re.MULTILINE)
    files = [*(f"{one}.png" for one in FIGURES), *(f"{one}.csv" for one in QUERIES)]
    assert told == [(str(number), str(len(files)), file) for number, file in enumerate(files, 1)]
    for name in FIGURES:
        assert (out / f"{name}.png").read_bytes() == picture(name, reader, sample), name
    for name in QUERIES:
        written = pd.read_csv(out / f"{name}.csv")
        expected = pd.read_csv(io.StringIO(csv(answered(reader, name, since, until, countries).rows)))
        pd.testing.assert_frame_equal(written, expected, rtol=1e-9, obj=name)
    assert set(pd.read_csv(out / "country_statistics.csv")["country"]) == set(countries)


def options(lake: Lake, out: Path, *more: str) -> tuple[Settings, argparse.Namespace]:
    return load({}, lake=lake.root), command.parser().parse_args(["--out", str(out), *more])


def test_without_predictions_the_models_figure_is_not_drawn_and_the_command_says_why(
    small_lake: Lake, tmp_path, capsys
):
    put(
        small_lake, FLIGHTS_ML, *(flight(second, f"{second:06x}") | {"origin_country": "Japan"} for second in range(30))
    )
    out, reader = tmp_path / "out", Reader(small_lake)
    chosen, given = options(small_lake, out)
    out.mkdir()
    (out / "agreement.png").write_bytes(b"of an earlier run")
    progress = command.Progress(len(FIGURES))
    command.write_figures(chosen, reader, command.sampled(reader, None, None, ()), given, progress)
    assert {path.stem for path in out.iterdir()} == set(FIGURES) - {"agreement"}
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "agreement" in line]
    assert "is not drawn" in line
    assert "contrail train" in line


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--since", "yesterday"], r"--since .*'yesterday'.*2026-01-31T12:00"),
        (["--since", "2026-01-01T13:00Z", "--until", "2026-01-01T12:00Z"], "ends before it begins: the table holds"),
        (["--since", "2030-01-01T13:00Z", "--until", "2030-01-01T14:00Z"], "There is no report from 2030-01-01 13:00"),
        (
            ["--country", "Germny"],
            "--country is 'Germny', of which there is no report in this range; there is Germany.",
        ),
        (["--source", "satellite"], "'satellite'.*simulator, opensky"),
    ],
    ids=["a moment", "a range", "an empty range", "a country", "a source"],
)
def test_a_wrong_value_is_one_sentence_with_the_cure(small_lake: Lake, tmp_path, capsys, monkeypatch, wrong, words):
    put(small_lake, FLIGHTS_ML, flight(1, "4b1814") | {"origin_country": "Germany"})
    monkeypatch.setenv("CONTRAIL_LAKE", small_lake.root)
    out = tmp_path / "out"
    assert command.main(["--out", str(out), *wrong]) == 1
    told = capsys.readouterr()
    assert re.search(words, told.err)
    assert len(told.err.strip().splitlines()) == 1
    assert told.out == ""
    assert not out.exists() or not list(out.iterdir())


def test_a_lake_without_reports_and_a_folder_that_cannot_be_written_are_sentences(
    small_lake, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("CONTRAIL_LAKE", small_lake.root)
    assert command.main(["--out", str(tmp_path / "out")]) == 1
    assert "holds no report yet: start the pipeline" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert command.main(["--out", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
