"""How Spark lists the logs of tables, on a disk and on S3: what Delta's own log stores list, but without what nobody asked for."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError

from pipeline import jars, log_stores
from pipeline.drill.s3_server import S3Server
from pipeline.errors import JarError
from pipeline.settings import load
from pipeline.tables import BRONZE, FLIGHTS_ML, Lake


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
    (folder / f".{7:020}.json.crc").touch()  # Hadoop's own, which its file systems show to nobody
    return folder


def listed(spark, store: str, folder: Path, first: str) -> list[str]:
    """Path, size, whether it is a folder, and time of what a log store lists."""
    configuration = spark._jsc.hadoopConfiguration()
    store_class = getattr(spark._jvm, store)
    found = store_class(configuration).listFrom(spark._jvm.org.apache.hadoop.fs.Path(str(folder), first), configuration)
    told = []
    while found.hasNext():
        one = found.next()
        told.append(f"{one.getPath().toString()} {one.getLen()} {one.isDirectory()} {one.getModificationTime()}")
    return told


ON_DISK, DELTAS = log_stores.ON_DISK, "io.delta.storage.HDFSLogStore"


@pytest.mark.parametrize(
    "first", [chr(0), "0", f"{7:020}.", f"{9:020}.", f"{9:020}.json", f"{12:020}.", f"{13:020}.json", "_"]
)
def test_it_lists_what_deltas_own_log_store_lists(spark, log: Path, first: str):
    ours = listed(spark, ON_DISK, log, first)
    assert ours == listed(spark, DELTAS, log, first)
    assert ours


def test_a_stream_that_has_read_all_lists_nothing_and_is_told_of_the_next_entry_once_it_is_there(spark, log: Path):
    (log / f"{20:020}.json").touch()  # none comes after a gap: this is how the test sees that nobody has looked
    assert listed(spark, ON_DISK, log, f"{13:020}.") == []
    (log / f"{13:020}.json").write_text("{}")
    assert len(listed(spark, ON_DISK, log, f"{13:020}.")) == len(listed(spark, DELTAS, log, f"{13:020}.")) == 4


def test_a_stream_that_asks_for_entries_that_were_deleted_is_shown_what_is_there(spark, log: Path):
    assert listed(spark, ON_DISK, log, f"{3:020}.") == listed(spark, DELTAS, log, f"{3:020}.")


def test_a_stream_that_asks_for_an_entry_that_was_set_aside_is_shown_what_comes_behind_it(spark, log: Path):
    (log / f"{9:020}.json").rename(log / f"{9:020}.json.damaged-1")
    (log / f"{9:020}.crc").unlink()
    (log / f"{9:020}.checkpoint.parquet").touch()
    ours = listed(spark, ON_DISK, log, f"{9:020}.")
    assert ours == listed(spark, DELTAS, log, f"{9:020}.") != []


def test_a_folder_that_is_not_there_is_an_error_that_delta_knows(spark, tmp_path: Path):
    for store in (ON_DISK, DELTAS):
        with pytest.raises(Py4JJavaError, match=r"java\.io\.FileNotFoundException: .*gone"):
            listed(spark, store, tmp_path / "gone", f"{0:020}.")


def test_a_session_reads_the_logs_of_its_tables_with_it(spark, lake: Lake):
    log, version = Path(lake.path(BRONZE), "_delta_log"), lake.open(BRONZE).version()
    store = spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, lake.path(BRONZE)).store()
    (log / f"{version + 7:020}.json").touch()
    first = spark._jvm.org.apache.hadoop.fs.Path(f"file:{log}", f"{version + 1:020}.")
    assert not store.listFrom(first, spark._jsc.hadoopConfiguration()).hasNext()


def test_a_log_store_is_compiled_once_and_anew_when_its_source_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kept = jars.folder("spark", load({}).cache_folder)
    ours = jars.folder("spark", tmp_path)
    ours.parent.mkdir(parents=True)
    ours.symlink_to(kept)
    first = log_stores.jar("spark", tmp_path)
    made = first.stat().st_mtime_ns
    assert log_stores.jar("spark", tmp_path) == first
    assert first.stat().st_mtime_ns == made
    changed = tmp_path / "java"
    shutil.copytree(jars.OWN_JAVA, changed)
    source = changed / "LocalLog.java"
    source.write_text(source.read_text().replace("No such folder", "No folder"))
    monkeypatch.setattr(jars, "OWN_JAVA", changed)
    assert log_stores.jar("spark", tmp_path) != first
    source.write_text("public class LocalLog extends Nothing {}")
    with pytest.raises(JarError, match=re.compile(r'could not be compiled.*"Nothing"', re.DOTALL)):
        log_stores.jar("spark", tmp_path)
    assert len(list(tmp_path.rglob("LocalLog-*"))) == 2


def test_a_cache_that_cannot_be_written_is_named_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ours = jars.folder("spark", tmp_path)
    ours.parent.mkdir(parents=True)
    ours.symlink_to(jars.folder("spark", load({}).cache_folder))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(log_stores.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(
        JarError, match=r"LocalLog-\w+\.jar cannot be written \(Read-only file system\): run `python -m "
    ):
        log_stores.jar("spark", tmp_path)


def test_a_clusters_executors_get_every_jar_as_they_know_them_by_their_names():
    cache = load({}).cache_folder
    names = [
        path.name for part in log_stores.SOURCES for path in (*jars.jars(part, cache), log_stores.jar(part, cache))
    ]
    assert len({*names}) == len(names)


# In a process of its own: Spark's parts for S3 are on no other class path.
LISTED_ON_S3 = """
import json
from pipeline import spark as engine
from pipeline.maintenance import FEW_TASKS
from pipeline.settings import load
from pipeline.tables import BRONZE, FLIGHTS_ML, lake_of

settings = load()
written, path = (lake_of(settings).path(table) for table in (BRONZE, FLIGHTS_ML))
session = engine.session(settings)
jvm, configuration = session._jvm, session._jsc.hadoopConfiguration()
deltas = jvm.io.delta.storage.S3SingleDriverLogStore(configuration)
own = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(session._jsparkSession, written).store()


def listed(store, folder, first):
    found, told = store.listFrom(jvm.org.apache.hadoop.fs.Path(folder, first), configuration), []
    while found.hasNext():
        one = found.next()
        at = 0 if one.isDirectory() else one.getModificationTime()  # S3 knows no folders, nor when they were made
        told.append((one.getPath().toString(), one.getLen(), one.isDirectory(), at))
    return told


def counted(store, folder, first):
    before = statistics.getLong("object_continue_list_request")
    return listed(store, folder, first), statistics.getLong("object_continue_list_request") - before


statistics = jvm.org.apache.hadoop.fs.Path(path).getFileSystem(configuration).getStorageStatistics()
log = [(counted(own, folder, first), counted(deltas, folder, first)) for folder in FOLDERS for first in FIRST]
others = [listed(store, path, chr(0)) for store in (own, deltas)]
try:
    gone = listed(own, path + "/gone/_delta_log", FIRST[0])
except Exception as error:
    gone = str(error).splitlines()[1]
for name, value in FEW_TASKS.items():
    session.conf.set(name, value)
session.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
session.sql(f"VACUUM delta.`{written}` RETAIN 0 HOURS")
maps = open(f"/proc/{engine.jvm_process()}/maps").read()
print(json.dumps({"log": log, "others": others, "gone": gone, "archive": "/classes-" in maps}))
engine.end_jvm(20)
"""


def test_on_s3_a_log_is_listed_from_a_name_on_and_a_vacuum_lists_as_ever(
    tmp_path: Path, s3_server: S3Server, bucket: str
):
    lake = Lake(f"s3a://{bucket}/sky", s3_server.access)
    list(lake.create())
    client, folders = s3_server.access.boto3(), [f"sky/{FLIGHTS_ML.path}/_delta_log", "of/a b%20c+é/_delta_log"]
    for version in range(10_000, 11_200):  # more than the thousand names of a request
        client.put_object(Bucket=bucket, Key=f"{folders[0]}/{version:020}.json", Body=b"{}")
    for version in range(11_190, 11_200):
        client.put_object(Bucket=bucket, Key=f"{folders[1]}/{version:020}.json", Body=b"{}")
    first = [f"{10_000:020}.", f"{11_190:020}.", f"{11_199:020}.json", f"{11_200:020}."]
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            f"FIRST = {first}\nFOLDERS = {[f's3a://{bucket}/{one}' for one in folders]}\n{LISTED_ON_S3}",
        ],
        env=os.environ | s3_server.environment(bucket) | {"CONTRAIL_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    assert [len(ours) for (ours, _), _ in found["log"]] == [1200, 10, 1, 0, 10, 10, 1, 0]
    for (ours, by_hadoop), (theirs, _) in found["log"]:
        assert ours == theirs
        assert by_hadoop == 0, "Hadoop was asked to list all"
    assert all(by_hadoop for _, (_, by_hadoop) in found["log"][:4])
    assert found["others"][0] == found["others"][1] != []
    assert "FileNotFoundException" in found["gone"]
    assert found["archive"], "the parts for S3 come behind the class path of the archive"
    assert client.head_object(Bucket=bucket, Key=f"sky/{BRONZE.path}/_delta_log/{0:020}.json")
