"""The pages say what the code does: every setting, command, table, column and rule, and nothing that is not there."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import gold, graph, history, messages, part, s3_access, serving, spark, stream_status, supervisor
from pipeline import settings as setting
from pipeline import tables as lake
from pipeline.__main__ import _parser
from pipeline.anomalies import LIMITS
from pipeline.settings import Settings, load
from pipeline.sinks import Append
from pipeline.sources import FIELDS, opensky
from pipeline.sources.quota import CREDITS_A_DAY, RESOLUTION_SECONDS
from pipeline.supervisor import PARTS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
SECURITY = ROOT / "SECURITY.md"
PAGES = [README, SECURITY, *sorted(DOCS.rglob("*.md"))]
CODE = [
    path for folder in ("pipeline", "app", "explore", "streamlit_dashboard") for path in (ROOT / folder).rglob("*.py")
]
PAGE = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in PAGES]

TYPES = {
    lake.STRING: "string",
    lake.BINARY: "binary",
    lake.LONG: "long",
    lake.INT: "int",
    lake.DOUBLE: "double",
    lake.BOOLEAN: "boolean",
    lake.TIMESTAMP: "timestamp",
    lake.DATE: "date",
}


def sections(path: Path) -> dict[str, str]:
    """Heading of the second level -> the text below it; what stands before the first is under ''."""
    parts = re.split(r"^## (.+)$", path.read_text(), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def rows(text: str) -> list[tuple[str, ...]]:
    """The cells of every table row in a text, without the heads."""
    lines = text.splitlines()
    heads = {number - 1 for number, line in enumerate(lines) if line.startswith("|---")}
    kept = [line for number, line in enumerate(lines) if line.startswith("|") and number not in heads]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in kept if not line.startswith("|---")]


def first_cells(text: str) -> list[str]:
    return [row[0].strip("`") for row in rows(text)]


def code_of(text: str) -> str:
    """What a page sets as code, a command a line; a backslash joins lines."""
    fences = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*fences, *spans]).replace("\\\n", " ")


# Settings, commands, targets


def test_each_setting_stands_with_default_bounds_and_meaning_as_in_the_code():
    expected = []
    for field in dataclasses.fields(Settings):
        with pytest.raises(ValueError) as allowed:  # noqa: PT011 - no setting allows an empty text; the error says what it allows
            field.metadata["parse"]("")
        default = field.metadata["default"]
        shown = "none" if default is None else f"`{default}`"
        expected.append((f"`{setting.variable(field.name)}`", shown, str(allowed.value), field.metadata["meaning"]))
    assert rows((DOCS / "settings.md").read_text()) == expected


@pytest.mark.parametrize("path", PAGE)
def test_a_page_names_only_settings_that_exist(path: Path):
    assert named_settings(path) <= known_settings()


def test_code_and_makefile_name_only_settings_that_exist():
    for path in [*CODE, ROOT / "Makefile"]:
        assert named_settings(path) <= known_settings(), path


def named_settings(path: Path) -> set[str]:
    return set(re.findall(r"\bCONTRAIL_[A-Z0-9][A-Z0-9_]*", path.read_text()))


def known_settings() -> set[str]:
    return {setting.variable(field.name) for field in dataclasses.fields(Settings)}


def commands() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Command -> its help and its parser."""
    (chosen,) = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    helps = {action.dest: str(action.help) for action in chosen._choices_actions}
    return {name: (helps[name], parser) for name, parser in chosen.choices.items()}


def options(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    shown = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    return [(f"`{' '.join(one.option_strings) or one.metavar}`", str(one.help)) for one in shown]


def test_each_command_stands_with_its_options_as_in_the_code():
    told = sections(DOCS / "commands.md")
    known = commands()
    assert [title for title in told if title.startswith("`contrail ")] == [f"`contrail {name}`" for name in known]
    for name, (meaning, parser) in known.items():
        text = told[f"`contrail {name}`"]
        assert text.strip().splitlines()[0] == meaning
        assert rows(text) == options(parser)


def test_the_readme_lists_every_command_and_no_other():
    listed = [cell.removeprefix("contrail ") for cell in first_cells(sections(README)["Commands"])]
    assert [name for name in listed if not name.startswith("make ")] == list(commands())


@pytest.mark.parametrize("path", PAGE)
def test_a_page_calls_only_commands_and_options_that_exist(path: Path):
    for name, words in called(code_of(path.read_text())):
        assert name in commands(), f"contrail {name}"
        known = {option for action in commands()[name][1]._actions for option in action.option_strings}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, f"contrail {name}"


def test_messages_advise_only_commands_that_exist():
    for path in CODE:
        for name, _ in called("\n".join(re.findall(r"`([^`\n]+)`", path.read_text()))):
            assert name in commands(), f"{path.relative_to(ROOT)} says `contrail {name}`"


def called(code: str) -> Iterator[tuple[str, list[str]]]:
    """Calls of the command line in some lines of code: the command, and the words behind it."""
    for line in code.splitlines():
        if found := re.match(r"(?:CONTRAIL_\w+=\S+ )*(?:contrail|python -m pipeline) ([a-z]+)(.*)", line.strip()):
            yield found[1], shlex.split(found[2], comments=True)


def targets() -> set[str]:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    return set(phony.split())


def test_the_readme_lists_every_target_of_the_makefile():
    listed = [
        cell.removeprefix("make ") for cell in first_cells(sections(README)["Commands"]) if cell.startswith("make ")
    ]
    assert set(listed) == targets()


@pytest.mark.parametrize("path", PAGE)
def test_a_page_calls_only_targets_that_exist(path: Path):
    assert set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", code_of(path.read_text()))) <= targets()


# Tables, streams, rules


def type_name(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "struct of " + ", ".join(f"{field.name} {type_name(field.type)}" for field in kind)
    return TYPES[kind]


def test_each_table_stands_with_path_partition_and_columns_as_in_the_code():
    told = sections(DOCS / "tables.md")
    assert [title for title in told if title] == [f"`{table.name}`" for table in lake.TABLES]
    for table in lake.TABLES:
        text = told[f"`{table.name}`"]
        assert f"Path: `{table.path}`, partitioned by `{table.partition}`" in text
        columns = [(f"`{one.name}`", type_name(one.type), one.unit, one.meaning) for one in table.columns]
        assert rows(text) == columns


def test_each_stream_stands_with_what_it_reads_and_writes_as_in_the_graph():
    expected = []
    for stage in graph.stages(load({})):
        reads = f"topic `{stage.reads.name}`" if isinstance(stage.reads, graph.Topic) else f"`{stage.reads.path}`"
        way = "appends to" if isinstance(stage.sink, Append) else f"merges on {', '.join(stage.sink.keys)} into"
        expected.append((f"`{stage.name}`", reads, f"{way} `{stage.sink.table.path}`", f"{stage.every_ms} ms"))
    assert rows(sections(DOCS / "architecture.md")["The way of the data"]) == expected


def test_the_operator_reads_the_name_of_every_part():
    sentence = re.search(r"^The parts are (.+?)\.", (DOCS / "operations.md").read_text(), re.MULTILINE)
    assert sentence
    assert tuple(re.findall(r"`(\w+)`", sentence[1])) == PARTS


def test_the_operator_reads_the_name_of_every_state():
    source = inspect.getsource(supervisor) + inspect.getsource(part) + inspect.getsource(stream_status)
    states = set(re.findall(r'\.set\([^"\n]*"(\w+)"', source)) | set(re.findall(r'state: str = "(\w+)"', source))
    told = first_cells(sections(DOCS / "operations.md")["States"])
    assert states <= set(told)
    assert all(f'"{state}"' in source for state in told)


def test_each_reason_of_quarantine_stands_in_the_order_in_which_it_is_looked_for():
    assert first_cells(sections(DOCS / "silver.md")["Quarantine"]) == list(messages.REASONS)


def test_each_phase_stands_in_the_order_of_its_rule():
    assert first_cells(sections(DOCS / "silver.md")["Phases"]) == list(lake.PHASES)


def test_each_anomaly_stands_with_both_limits():
    told = [(row[0].strip("`"), row[2], row[3]) for row in rows(sections(DOCS / "silver.md")["Anomalies"])]
    assert told == [(reason, shown_limit("expert", reason), shown_limit("seed", reason)) for reason in lake.REASONS]


def shown_limit(name: str, reason: str) -> str:
    if not LIMITS[name].checks(reason):
        return "–"
    bound = LIMITS[name].of(reason)
    return "checked" if bound is None else f"{bound:,g}"


def test_each_column_of_silver_has_its_rule():
    columns = {column.name for column in lake.FLIGHTS_ML.columns}
    told = {row[0].strip("`") for row in rows(sections(DOCS / "silver.md")["Cleaning"])}
    assert told <= columns
    text = (DOCS / "silver.md").read_text()
    assert {name for name in columns if f"`{name}`" not in text} == set()


def test_a_message_has_the_fields_of_the_api_in_its_order():
    text = sections(DOCS / "feeds.md")["A message"]
    (listed,) = re.findall(r"in the API's order: (.+?)\.\n", text, re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", listed)) == FIELDS


def test_each_account_of_opensky_stands_with_its_credits():
    expected = [
        (f"`{name}`", f"{credits:,}", f"{RESOLUTION_SECONDS[name]:g}") for name, credits in CREDITS_A_DAY.items()
    ]
    assert rows(sections(DOCS / "feeds.md")["`opensky`"])[: len(expected)] == expected


def test_each_setting_of_the_spark_session_stands_with_its_value():
    told = {row[0].strip("`"): row[1].strip("`") for row in rows((DOCS / "decisions/spark-session.md").read_text())}
    fixed = spark.SESSION | spark.LOCAL_DISK | spark.ON_S3 | s3_access.HADOOP_PATIENCE
    of_other_places = {"spark.sql.shuffle.partitions", "kafka.fetch.max.wait.ms"}
    assert {name: value for name, value in told.items() if name not in of_other_places} == fixed


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("silver.md", f"a silence of more than {history.SILENCE_SECONDS // 60} minutes"),
        ("silver.md", f"numbers below {messages.LARGEST:,.0f} in size"),
        ("silver.md", f"integers from 0 to {messages.LAST_SECOND:,}"),
        ("silver.md", f"by more than {messages.FUTURE_SECONDS} s"),
        ("silver.md", f"altitude < {history.TAKEOFF_CEILING:,.0f} m"),
        ("silver.md", f"altitude > {history.CRUISE_FLOOR:,.0f} m"),
        ("silver.md", f"up to {('zero', 'one', 'two', 'three', 'four', 'five')[history.BEFORE]} before it"),
        ("silver.md", f"`velocity` × {messages.KMH_PER_MS}"),
        ("streaming_gold.md", f"the newest event time less {gold.LATENESS}"),
        ("streaming_gold.md", f"reports up to {serving.LATENESS.seconds // 60} minutes late"),
        ("serving.md", f"| `fresh` | under {serving.FRESH_SECONDS:.0f} s |"),
        ("serving.md", f"| `late` | under {serving.STALE_SECONDS:.0f} s |"),
        ("serving.md", f"silent for more than {serving.SILENT_SECONDS:.0f} s"),
        ("operations.md", f"running for more than {part.STALLED_SECONDS:.0f} s"),
        ("operations.md", f"up to {part.LONGEST_BACKOFF_SECONDS:.0f} s"),
        ("decisions/state-api.md", f"at most {history.AIRCRAFT.itemsize} bytes for an aircraft"),
    ],
)
def test_a_figure_on_a_page_is_the_one_in_the_code(page: str, words: str):
    assert words in (DOCS / page).read_text()


# The threat model


def test_each_test_that_keeps_a_boundary_is_there():
    boundaries = rows(sections(SECURITY)["Boundaries, and what is done at each"])
    assert len(boundaries) > 10
    for name, _, kept in boundaries:
        files = re.findall(r"`(tests/\w+\.py)`", kept)
        assert files, name
        assert all((ROOT / file).exists() for file in files), name


def test_the_threat_model_names_every_secret_and_says_who_may_act():
    secrets = {setting.variable(field.name) for field in dataclasses.fields(Settings) if field.metadata["secret"]}
    told = sections(SECURITY)["Settings that decide"]
    assert secrets <= set(re.findall(r"`(CONTRAIL_\w+)`", told))
    assert {"CONTRAIL_OPERATORS", "CONTRAIL_VIEWER_OPEN"} <= set(re.findall(r"`(CONTRAIL_\w+)`", told))
    assert f"an answer of more than {opensky.LARGEST_ANSWER >> 20} MB" in SECURITY.read_text()


# Links and what must not stand anywhere


def links(path: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    return [link for link in found if not link.startswith(("http://", "https://"))]


@pytest.mark.parametrize("path", PAGE)
def test_a_pages_links_lead_somewhere(path: Path):
    for link in links(path):
        file, _, place = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not place or place in anchors(target), link


def anchors(path: Path) -> set[str]:
    """The places in a page, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_page_is_reached_from_the_readme():
    reached: set[Path] = set()
    left = {README}
    while left:
        reached |= left
        linked = {(page.parent / link.partition("#")[0]).resolve() for page in left for link in links(page)}
        left = {page for page in linked if page.suffix == ".md" and page.exists()} - reached
    assert reached == set(PAGES)


def test_every_picture_that_a_page_shows_is_there_and_small_enough_for_a_repository():
    shown = {page.parent / link for page in PAGES for link in links(page) if link.endswith(".png")}
    assert len(shown) > 10
    assert {path.name for path in shown if not path.is_file() or path.stat().st_size > 200_000} == set()


def test_code_names_only_pages_that_exist():
    for path in CODE:
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text()):
            assert (ROOT / page).exists(), f"{path.relative_to(ROOT)} names {page}"


def texts() -> Iterable[Path]:
    """Every text file of the project that git has or would take."""
    told = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if told.returncode:
        pytest.skip("no git checkout: which files belong to the project is not known")
    for path in (ROOT / name for name in told.stdout.split("\0") if name):
        if path.is_file() and b"\0" not in path.read_bytes()[:8192]:
            yield path


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a path of someone's machine", r"(?<![\w.:/)}>-])/(?:home|root|work|Users|mnt|tmp)/"),
        (
            "a package registry's host",
            r"(?:pypi|pythonhosted|npmjs|crates|rubygems)\.(?:org|io)|maven\.(?:org|apache\.org)|conda\.anaconda\.|proxy\.golang\.",
        ),
    ],
    ids=["a path of a machine", "a package registry"],
)
def test_no_file_names(what: str, pattern: str):
    for path in texts():
        found = re.search(pattern, path.read_text(errors="replace"))
        assert found is None, f"{path.relative_to(ROOT)} names {what}: {found and found[0]}"
