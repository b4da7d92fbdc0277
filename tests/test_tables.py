"""The lake's tables: made once, of the schema that is documented, readable by both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import LakeError
from pipeline.settings import load
from pipeline.tables import BRONZE, TABLES, Lake, lake_of


def test_tables_are_made_once_with_their_columns_and_partition(tmp_path: Path):
    lake = Lake(str(tmp_path))
    assert list(lake.create()) == list(TABLES)
    assert list(lake.create()) == []
    for table in TABLES:
        opened = lake.open(table)
        assert opened.schema().to_arrow().field(0).name == table.columns[0].name
        assert [field.name for field in opened.schema().fields] == [column.name for column in table.columns]
        assert opened.metadata().partition_columns == [table.columns[-1].name]


def test_spark_reads_the_tables_that_delta_rs_made(spark, tmp_path: Path):
    lake = Lake(str(tmp_path))
    list(lake.create())
    for table in TABLES:
        assert spark.read.format("delta").load(lake.path(table)).columns == [column.name for column in table.columns]


def test_a_table_that_is_missing_or_damaged_is_a_sentence(tmp_path: Path):
    lake = Lake(str(tmp_path))
    with pytest.raises(LakeError, match="no table bronze"):
        lake.open(BRONZE)
    log = Path(lake.path(BRONZE)) / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("garbage")
    with pytest.raises(LakeError, match="bronze"):
        lake.open(BRONZE)


def test_a_lake_on_s3_has_its_keys_and_addresses():
    lake = lake_of(
        load({}, lake="s3a://sky/contrail/", s3_endpoint="http://127.0.0.1:9", s3_access_key="k", s3_secret_key="s")
    )
    assert lake.path(BRONZE) == "s3a://sky/contrail/bronze/opensky"
    options = dict(lake.storage_options)
    assert (options["AWS_ENDPOINT_URL"], options["AWS_ALLOW_HTTP"], options["AWS_ACCESS_KEY_ID"]) == (
        "http://127.0.0.1:9",
        "true",
        "k",
    )
