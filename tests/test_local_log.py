"""How Spark lists the log of a table on a disk: what Delta's own log store lists, but without looking at what nobody asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError

from pipeline import jars, local_log
from pipeline.errors import JarError
from pipeline.tables import BRONZE, Lake


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log as it is after its oldest entries were deleted: a checkpoint, entries 7 to 12, and some checksums."""
    folder = tmp_path / "a b%20c+é" / "_delta_log"
    folder.mkdir(parents=True)
    for version in range(7, 13):
        (folder / f"{version:020}.json").write_text("{}")
        (folder / f"{version:020}.crc").write_text("{}")
    (folder / f"{7:020}.checkpoint.parquet").touch()
    (folder / "_last_checkpoint").write_text("{}")
    (folder / "_sidecars").mkdir()
    return folder


def listed(spark, store: str, folder: Path, first: str) -> list[str]:
    """`name size` of what a log store lists."""
    configuration = spark._jsc.hadoopConfiguration()
    store_class = getattr(spark._jvm, store)
    found = store_class(configuration).listFrom(spark._jvm.org.apache.hadoop.fs.Path(str(folder), first), configuration)
    told = []
    while found.hasNext():
        one = found.next()
        told.append(f"{one.getPath().toString()} {one.getLen()} {one.isDirectory()} {one.getModificationTime()}")
    return told


OWN, DELTAS = local_log.CLASS, "io.delta.storage.HDFSLogStore"


@pytest.mark.parametrize("first", ["0", f"{7:020}.", f"{9:020}.", f"{9:020}.json", f"{12:020}.", f"{13:020}.json", "_"])
def test_it_lists_what_deltas_own_log_store_lists(spark, log: Path, first: str):
    ours = listed(spark, OWN, log, first)
    assert ours == listed(spark, DELTAS, log, first)
    assert ours


def test_a_stream_that_has_read_all_lists_nothing_and_is_told_of_the_next_entry_once_it_is_there(spark, log: Path):
    (log / f"{20:020}.json").touch()  # none comes after a gap: this is how the test sees that nobody has looked
    assert listed(spark, OWN, log, f"{13:020}.") == []
    (log / f"{13:020}.json").write_text("{}")
    assert len(listed(spark, OWN, log, f"{13:020}.")) == len(listed(spark, DELTAS, log, f"{13:020}.")) == 4


def test_a_stream_that_asks_for_entries_that_were_deleted_is_shown_what_is_there(spark, log: Path):
    assert listed(spark, OWN, log, f"{3:020}.") == listed(spark, DELTAS, log, f"{3:020}.")


def test_a_folder_that_is_not_there_is_an_error_that_delta_knows(spark, tmp_path: Path):
    for store in (OWN, DELTAS):
        with pytest.raises(Py4JJavaError, match=r"java\.io\.FileNotFoundException: .*gone"):
            listed(spark, store, tmp_path / "gone", f"{0:020}.")


def test_a_session_reads_the_logs_of_its_tables_with_it(spark, lake: Lake):
    log, version = Path(lake.path(BRONZE), "_delta_log"), lake.open(BRONZE).version()
    store = spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, lake.path(BRONZE)).store()
    (log / f"{version + 7:020}.json").touch()
    first = spark._jvm.org.apache.hadoop.fs.Path(f"file:{log}", f"{version + 1:020}.")
    assert not store.listFrom(first, spark._jsc.hadoopConfiguration()).hasNext()


def test_it_is_compiled_once_and_anew_when_its_source_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = jars.jars("spark", local_log.load({}).cache_folder)[0].parent
    (tmp_path / kept.parent.relative_to(kept.parents[2])).mkdir(parents=True)
    (tmp_path / kept.relative_to(kept.parents[2])).symlink_to(kept)
    first = local_log.jar(tmp_path)
    made = first.stat().st_mtime_ns
    assert local_log.jar(tmp_path) == first
    assert first.stat().st_mtime_ns == made
    changed = tmp_path / "LocalLog.java"
    changed.write_text(jars.LOCAL_LOG.read_text().replace("No such folder", "No folder"))
    monkeypatch.setattr(jars, "LOCAL_LOG", changed)
    assert local_log.jar(tmp_path) != first
    changed.write_text("public class LocalLog extends Nothing {}")
    with pytest.raises(JarError, match=re.compile(r'LocalLog\.java could not be compiled.*"Nothing"', re.DOTALL)):
        local_log.jar(tmp_path)
    assert len(list(tmp_path.rglob("local-log-*"))) == 2
