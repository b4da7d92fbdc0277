"""The rules of docs/architecture.md about who imports whom and who reads the environment."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pipeline import graph
from pipeline.settings import load

ROOT = Path(__file__).parents[1]
VIEWS = ("app", "explore", "streamlit_dashboard")
APP_MODULES = sorted(path.stem for path in (ROOT / "app").glob("*.py"))
WITHOUT_SPARK = (
    "pipeline.__main__",
    "pipeline.alert_words",
    "pipeline.alerting",
    "pipeline.audit",
    "pipeline.broker",
    "pipeline.disk",
    "pipeline.errors",
    "pipeline.evaluation",
    "pipeline.experiment",
    "pipeline.exposure",
    "pipeline.feed_process",
    "pipeline.fence",
    "pipeline.history",
    "pipeline.jars",
    "pipeline.kafka_security",
    "pipeline.messages",
    "pipeline.ops",
    "pipeline.producer",
    "pipeline.lease",
    "pipeline.logs",
    "pipeline.model_card",
    "pipeline.model_store",
    "pipeline.object_store",
    "pipeline.past",
    "pipeline.resets",
    "pipeline.retention",
    "pipeline.s3_access",
    "pipeline.s3_answers",
    "pipeline.serving",
    "pipeline.sightings",
    "pipeline.settings",
    "pipeline.sources",
    "pipeline.sources.opensky",
    "pipeline.sources.quota",
    "pipeline.sources.recording",
    "pipeline.sources.replay",
    "pipeline.sources.simulator",
    "pipeline.soundness",
    "pipeline.status_words",
    "pipeline.table_store",
    "pipeline.tables",
)
# What Spark's JVM and workers find there; nobody but `settings` asks for one of its values.
HANDED_ON = {
    ("pipeline.spark", "update"),
    ("pipeline.spark", "setdefault"),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): ast.parse(path.read_text())
    for folder in ("pipeline", *VIEWS)
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def imports(name: str) -> set[str]:
    """All modules that a module imports, those inside functions too; `from a import b` counts as `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found |= {str(node.module), *(f"{node.module}.{one.name}" for one in node.names)}
    return found


def tops(name: str) -> set[str]:
    return {one.split(".")[0] for one in imports(name)}


def below(name: str) -> set[str]:
    """The module and all of the pipeline that it stands on."""
    reached: set[str] = set()
    left = {name}
    while left:
        reached |= left
        left = {one for module in left for one in imports(module) if one in SOURCES} - reached
    return reached


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def uses_of_the_environment(name: str) -> Iterator[str]:
    """What is done with `os.environ`: the method called on it, or the expression's kind; `getenv` for `os.getenv`."""
    above = {child: node for node in ast.walk(SOURCES[name]) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb"):
            parent = above[node]
            yield parent.attr if isinstance(parent, ast.Attribute) else type(parent).__name__
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.getenv", "os.getenvb"):
            yield "getenv"
    yield from ("import" for one in imports(name) if one in ("os.environ", "os.getenv"))


def test_the_pipeline_imports_no_view():
    modules = [name for name in SOURCES if name.startswith("pipeline")]
    assert {name: tops(name) & {*VIEWS, *APP_MODULES} for name in modules} == {name: set() for name in modules}


def test_only_what_the_supervisor_and_the_training_stand_on_imports_pyspark():
    sparks = {name for name in SOURCES if "pyspark" in tops(name) and name.startswith("pipeline")}
    # Nobody imports `workers`: Spark starts it.
    assert sparks <= {*below("pipeline.supervisor"), *below("pipeline.training_run"), "pipeline.workers"}
    assert not sparks & set(WITHOUT_SPARK)


def test_tables_feeds_and_settings_are_used_without_loading_spark():
    code = "import importlib, sys\n" + "".join(
        f"importlib.import_module({name!r}); 'pyspark' in sys.modules and sys.exit({name!r})\n"
        for name in WITHOUT_SPARK
    )
    assert python(code) == ""


@pytest.mark.parametrize("name", [name for name in SOURCES if name.split(".")[0] == "app"])
def test_a_tab_leaves_tables_and_spark_to_the_pipeline(name: str):
    assert not tops(name) & {"pyspark", "deltalake", "pyarrow", "kafka"}


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "pipeline.settings"])
def test_settings_alone_reads_the_environment_and_the_rest_only_hands_it_on(name: str):
    assert {(name, use) for use in uses_of_the_environment(name)} <= HANDED_ON


def test_the_graph_is_built_without_a_running_spark():
    code = (
        "from pyspark import SparkContext; from pipeline.graph import stages; from pipeline.settings import load; "
        "stages(load({})); print(SparkContext._active_spark_context, SparkContext._gateway)"
    )
    assert python(code) == "None None"


def test_the_streams_names_are_those_of_the_stages_in_the_order_of_the_data():
    assert tuple(stage.name for stage in graph.stages(load({}))) == (*graph.STREAMS, *graph.OPTIONAL)


def test_every_module_is_named_by_what_it_holds():
    names = {name.split(".")[-1] for name in SOURCES}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


@pytest.mark.parametrize("name", APP_MODULES)
def test_a_module_of_the_app_hides_no_other_module(name: str):
    assert name not in sys.stdlib_module_names
    assert name not in dir(builtins)
    assert name not in packages_distributions()


# What would run, or rebuild as an object, what came from outside.
EVALUATING = {"eval", "exec", "compile", "__import__"}
UNPICKLING = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "yaml"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pickle.loads", "yaml.load"}


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_from_outside_is_unpickled_evaluated_or_given_to_a_shell(name: str):
    assert not tops(name) & UNPICKLING
    for node in ast.walk(SOURCES[name]):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = {word.arg: word.value for word in node.keywords}
        assert called not in EVALUATING | SHELLS, called
        assert "shell" not in given, f"{called}(shell=…)"
        assert "allow_pickle" not in given, f"{called}(allow_pickle=…)"
        assert not called.endswith((".read_pickle", ".to_pickle", "unsafe_load")), called


@pytest.mark.parametrize("name", SOURCES)
def test_no_connection_is_trusted_unseen(name: str):
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.keyword) and node.arg in (
            "verify",
            "verify_mode",
            "check_hostname",
            "ssl_check_hostname",
        ):
            assert not (isinstance(node.value, ast.Constant) and not node.value.value), f"{name}: {node.arg} is off"
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("_create_unverified_context", "CERT_NONE"), name
