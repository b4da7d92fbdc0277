"""`python -m explore --out DIR`: every figure as PNG and every SQL exploration as CSV, of one version of the table."""

from __future__ import annotations

import argparse
import difflib
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from explore import agreement as model_agreement
from explore.figures import FIGURES, caption_of, drawn, period
from explore.queries import QUERIES, csv
from explore.sample import Sample, reach, taken
from explore.style import LOOKS, png
from pipeline import settings
from pipeline.errors import LakeError, SettingError, exit_code
from pipeline.serving import Reader
from pipeline.settings import Settings
from pipeline.status_words import LABELS
from pipeline.tables import Lake, lake_of

DPI = 160


def main(arguments: list[str] | None = None) -> int:
    """Write everything; 0 when all is written, 1 with a sentence on standard error when not."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    return exit_code(lambda: write(settings.load(source=options.source), options))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser("python -m explore", description="Figures and tables of Silver, as files.")
    made.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the files; made when missing")
    made.add_argument("--since", help="first moment (UTC) such as 2026-11-24T06:30Z; default: the oldest report")
    made.add_argument("--until", help="first moment (UTC) after the range; default: the newest report")
    made.add_argument("--country", action="append", default=[], help="this country of registration alone; repeatable")
    made.add_argument("--theme", choices=list(LOOKS), default="light", help="light or dark figures; default light")
    made.add_argument("--source", help="whose lake: simulator, opensky or replay (CONTRAIL_SOURCE)")
    return made


def write(chosen: Settings, options: argparse.Namespace) -> None:
    """Write all figures and tables. Raises ContrailError, which names what is wrong, before Spark is started."""
    since, until = settings.moment("--since", options.since), settings.moment("--until", options.until)
    make_folder(options.out)
    reader = Reader(lake_of(chosen))
    sample = sampled(reader, since, until, tuple(options.country))
    print(f"{caption_of(sample)}; into {options.out}", flush=True)
    progress = Progress(len(FIGURES) + len(QUERIES))
    write_figures(chosen, reader, sample, options, progress)
    write_tables(chosen, reader.lake, sample, options.out, progress)


def write_figures(
    chosen: Settings, reader: Reader, sample: Sample, options: argparse.Namespace, progress: Progress
) -> None:
    """Draw every figure of the sample; one whose rows come from elsewhere is not drawn where there are none."""
    for name in FIGURES:
        shown, path = rows_of(name, reader, sample), options.out / f"{name}.png"
        if FIGURES[name].counted is not None and shown.flights.empty:
            progress.skip(path, model_agreement.NOTHING)
            continue
        caption = f"{LABELS[chosen.source]}: {caption_of(shown)}"
        figure = drawn(name, shown, options.theme, caption=caption)
        with writing(path):
            path.write_bytes(png(figure, DPI))
        progress.say(path)


def rows_of(name: str, reader: Reader, sample: Sample) -> Sample:
    """What a figure is drawn of: the sample, or what is counted for it in the sample's range and countries."""
    counted = FIGURES[name].counted
    return counted(reader, sample.since, sample.until, sample.countries) if counted else sample


def write_tables(chosen: Settings, lake: Lake, sample: Sample, out: Path, progress: Progress) -> None:
    """Answer the queries by Spark over the version, range and countries of the sample."""
    from explore import on_spark

    print("Starting Spark for the SQL explorations", flush=True)
    with on_spark.session(chosen, lambda words: print(words, flush=True)) as spark:
        on_spark.prepare(spark, lake, sample.version, sample.since, sample.until, sample.countries)
        for name in QUERIES:
            path, rows = out / f"{name}.csv", on_spark.answered(spark, name)
            with writing(path):
                path.write_text(csv(rows))
            progress.say(path, f"{len(rows):,} rows, ")


class Progress:
    """Says each file that is written, of how many, and how long it took."""

    def __init__(self, files: int) -> None:
        self._files, self._done, self._since = files, 0, time.monotonic()

    def say(self, path: Path, words: str = "") -> None:
        """Say that a file is written."""
        now = time.monotonic()
        self._done += 1
        print(f"[{self._done}/{self._files}] {path.name} ({words}{now - self._since:.1f} s)", flush=True)
        self._since = now

    def skip(self, path: Path, why: str) -> None:
        """Say that a file is not written, and why; one of an earlier run would be of other rows, and goes."""
        path.unlink(missing_ok=True)
        self._done += 1
        print(f"[{self._done}/{self._files}] {path.name} is not drawn. {why}", flush=True)


def make_folder(out: Path) -> None:
    """Make the folder and try to write to it, before anything is computed. Raises SettingError."""
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into a SettingError that says why, and what helps."""
    try:
        yield
    except OSError as error:
        cure = "give --out another folder, or this one room and rights"
        raise SettingError(f"{str(path)!r} cannot be written ({error.strerror or error}): {cure}.") from None


def sampled(reader: Reader, since: datetime | None, until: datetime | None, countries: tuple[str, ...]) -> Sample:
    """The sample of the range, which holds at least one report. Raises LakeError or SettingError."""
    found = reach(reader)
    if found is None:
        raise LakeError(f"{reader.lake.root} holds no report yet: start the pipeline and wait for the first ones.")
    begin, end = since or found[0], until or found[1] + timedelta(seconds=1)
    if begin >= end:
        raise SettingError(
            f"The range from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC ends before it begins: {held(found)}"
        )
    sample = taken(reader, begin, end, countries)
    if not sample.present:
        raise LakeError(f"There is no report from {period(begin, end)}: {held(found)}")
    for country in set(countries) - set(sample.present):
        near = difflib.get_close_matches(country, sample.present, n=3, cutoff=0.5) or sample.present[:3]
        raise SettingError(
            f"--country is {country!r}, of which there is no report in this range; there is {', '.join(near)}."
        )
    return sample


def held(found: tuple[datetime, datetime]) -> str:
    """Which range the table holds."""
    return f"the table holds {period(*found)}."


if __name__ == "__main__":
    sys.exit(main())
