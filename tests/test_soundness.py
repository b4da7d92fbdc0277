"""A stream does not start on a table or a checkpoint that is damaged, and says what helps."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipeline import resets, table_store
from pipeline.errors import DamageError
from pipeline.serving import Reader
from pipeline.soundness import check_checkpoint, check_table
from pipeline.tables import BRONZE, FLIGHTS_ML, Lake
from tests.small_lake import flight, put

LOG = b'v1\n{"batchWatermarkMs":0}\n{"offset":1}'


def checkpoint(lake: Lake, stream: str, batches: int) -> Path:
    place = Path(lake.checkpoint(stream))
    for folder in ("offsets", "commits"):
        (place / folder).mkdir(parents=True)
        for number in range(batches):
            (place / folder / str(number)).write_bytes(LOG)
    (place / "metadata").write_text(json.dumps({"id": "one"}))
    return place


def fill(lake: Lake) -> None:
    row = dict.fromkeys(FLIGHTS_ML.schema.names) | {"icao24": "abc123", "date": datetime.now(UTC).date()}
    write_deltalake(lake.path(FLIGHTS_ML), pa.Table.from_pylist([row], schema=FLIGHTS_ML.schema), mode="append")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def test_a_new_stream_and_a_whole_checkpoint_are_sound(small_lake):
    check_checkpoint(small_lake, "silver")
    checkpoint(small_lake, "silver", 3)
    check_checkpoint(small_lake, "silver")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda place: cut(place / "offsets" / "2"), "offsets/2"),
        (lambda place: cut(place / "offsets" / "1"), "offsets/1"),
        (lambda place: (place / "offsets" / "2").unlink(), "offsets/2"),
        (lambda place: (place / "offsets" / "1").unlink(), "offsets/1"),
        (lambda place: (place / "commits" / "2").write_bytes(b"\0\0"), "commits/2"),
        (lambda place: (place / "metadata").unlink(), "metadata"),
        (lambda place: (place / "metadata").write_bytes(b""), "metadata"),
        (lambda place: (place / "metadata").write_bytes(b"[]"), "metadata"),
        (lambda place: shutil.rmtree(place / "offsets"), "offsets/2"),
    ],
)
def test_a_damaged_checkpoint_is_named_with_its_cure(small_lake, damage, named):
    damage(checkpoint(small_lake, "silver", 3))
    with pytest.raises(DamageError, match=named) as told:
        check_checkpoint(small_lake, "silver")
    assert "`contrail reset silver`" in told.value.cure


def test_a_batch_that_was_not_finished_is_sound(small_lake):
    (checkpoint(small_lake, "silver", 3) / "commits" / "2").unlink()
    check_checkpoint(small_lake, "silver")


def test_a_checkpoint_that_is_gone_is_noticed_once_the_table_holds_something(small_lake):
    fill(small_lake)
    with pytest.raises(DamageError, match="gone"):
        check_checkpoint(small_lake, "silver")
    check_checkpoint(small_lake, "bronze")
    table_store.note(small_lake)
    resets.reset(small_lake, "silver")
    check_checkpoint(small_lake, "silver")


def test_a_table_that_was_deleted_is_noticed_also_when_it_is_there_anew(small_lake):
    table_store.note(small_lake)
    check_table(small_lake, FLIGHTS_ML)
    shutil.rmtree(small_lake.path(FLIGHTS_ML))
    with pytest.raises(DamageError, match="was deleted") as told:
        check_table(small_lake, FLIGHTS_ML)
    assert "`contrail reset silver`" in told.value.cure
    list(small_lake.create())
    with pytest.raises(DamageError, match="is there anew"):
        check_table(small_lake, FLIGHTS_ML)
    assert resets.plan(small_lake, "silver").streams == ("silver", *resets.FOLLOWERS["silver"])
    resets.reset(small_lake, "silver")
    check_table(small_lake, FLIGHTS_ML)


def test_a_half_written_entry_is_set_aside_and_bronze_keeps_what_stands_before_it(small_lake):
    table_store.note(small_lake)
    row = dict.fromkeys(BRONZE.schema.names) | {"partition": 0, "offset": 0, "ingest_date": datetime.now(UTC).date()}
    for offset in range(3):
        rows = pa.Table.from_pylist([row | {"offset": offset}], schema=BRONZE.schema)
        write_deltalake(small_lake.path(BRONZE), rows, mode="append")
    log = Path(small_lake.path(BRONZE), "_delta_log")
    cut(log / f"{3:020}.json")
    with pytest.raises(DamageError, match="cannot be read"):
        check_table(small_lake, BRONZE)
    assert list(small_lake.create()) == []  # a damaged table keeps no other from being made
    assert set(resets.plan(small_lake, "bronze").streams) == set(resets.TABLES)
    resets.reset(small_lake, "bronze")
    check_table(small_lake, BRONZE)
    assert small_lake.open(BRONZE).to_pyarrow_dataset().count_rows() == 2
    assert len(list(log.glob("*.damaged-*"))) == 1
    assert resets.last(small_lake, "bronze") is None


def test_a_half_written_entry_is_noticed_behind_a_checkpoint_of_the_log_too(small_lake):
    table_store.note(small_lake)
    put(small_lake, FLIGHTS_ML, flight(0, "a"))
    opened = small_lake.open(FLIGHTS_ML)
    opened.create_checkpoint()
    newest = Path(small_lake.path(FLIGHTS_ML), "_delta_log", f"{opened.version():020}.json")
    newest.write_bytes(newest.read_bytes()[:-20])
    assert small_lake.open(FLIGHTS_ML).version() == opened.version(), "it is read without that entry"
    with pytest.raises(DamageError, match="newest entry is damaged"):
        check_table(small_lake, FLIGHTS_ML)
    assert table_store.mended(small_lake, FLIGHTS_ML)
    check_table(small_lake, FLIGHTS_ML)
    assert Reader(small_lake).one(FLIGHTS_ML, "count(*) AS n")["n"] == 1


def test_who_watches_the_tables_opens_none_while_their_logs_go_on(small_lake, monkeypatch):
    table_store.note(small_lake)
    watch = table_store.Watch(small_lake)
    assert watch.lost() == set()
    monkeypatch.setattr(table_store, "DeltaTable", lambda *_, **__: pytest.fail("a table was opened"))
    for second in range(3):
        put(small_lake, FLIGHTS_ML, flight(second, "a"))
        put(small_lake, FLIGHTS_ML, flight(second, "b"))
        assert watch.lost() == set()


@pytest.mark.parametrize("again", [False, True])
def test_who_watches_the_tables_tells_of_one_that_was_deleted_when_it_was_seen_twice(small_lake, again: bool):
    table_store.note(small_lake)
    put(small_lake, FLIGHTS_ML, flight(0, "a"))
    watch = table_store.Watch(small_lake)
    assert watch.lost() == set()
    shutil.rmtree(small_lake.path(FLIGHTS_ML))
    if again:  # with an entry of the same name
        list(small_lake.create())
        put(small_lake, FLIGHTS_ML, flight(0, "a"))
    assert watch.lost() == set()
    assert watch.lost() == {FLIGHTS_ML}


def test_who_watches_the_tables_tells_of_an_entry_that_is_not_whole_until_it_is_set_aside(small_lake):
    table_store.note(small_lake)
    watch = table_store.Watch(small_lake)
    assert watch.lost() == set()
    put(small_lake, FLIGHTS_ML, flight(0, "a"))
    put(small_lake, FLIGHTS_ML, flight(1, "a"))
    cut(Path(small_lake.path(FLIGHTS_ML), "_delta_log", f"{2:020}.json"))
    assert [watch.lost(), watch.lost()] == [set(), {FLIGHTS_ML}]
    assert table_store.mended(small_lake, FLIGHTS_ML)
    assert watch.lost() == set()


def test_the_same_is_looked_for_on_s3(s3_server, bucket):
    lake = Lake(f"s3a://{bucket}/sky", s3_server.access)
    client, place = s3_server.access.boto3(), "sky/checkpoints/silver"
    list(lake.create())
    table_store.note(lake)
    check_table(lake, FLIGHTS_ML)
    check_checkpoint(lake, "silver")
    for name in ("offsets/0", "offsets/1", "commits/0", "commits/1"):
        client.put_object(Bucket=bucket, Key=f"{place}/{name}", Body=LOG)
    with pytest.raises(DamageError, match="metadata"):
        check_checkpoint(lake, "silver")
    client.put_object(Bucket=bucket, Key=f"{place}/metadata", Body=b'{"id": "one"}')
    check_checkpoint(lake, "silver")
    client.delete_object(Bucket=bucket, Key=f"{place}/offsets/1")
    with pytest.raises(DamageError, match="offsets/1"):
        check_checkpoint(lake, "silver")
    for found in client.list_objects_v2(Bucket=bucket, Prefix="sky/silver/flights_ml/")["Contents"]:
        client.delete_object(Bucket=bucket, Key=found["Key"])
    with pytest.raises(DamageError, match="is gone"):
        check_table(lake, FLIGHTS_ML)
    resets.reset(lake, "silver")
    check_table(lake, FLIGHTS_ML)
    check_checkpoint(lake, "silver")
