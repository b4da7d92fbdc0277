"""Cleaning: what is an observation, what goes to quarantine, and why."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline import messages, silver
from pipeline.audit import observed
from pipeline.drill import oracle

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "icao24": "4b1814",
    "callsign": "SWR1  ",
    "origin_country": "Switzerland",
    "time_position": 1_790_000_000,
    "last_contact": 1_790_000_000,
    "longitude": 8.5,
    "latitude": 47.4,
    "baro_altitude": 1000,
    "on_ground": False,
    "velocity": 100.5,
    "true_track": 10.0,
    "vertical_rate": 5.2,
    "sensors": None,
    "geo_altitude": 1100.0,
    "squawk": "1000",
    "spi": False,
    "position_source": 0,
    "category": 4,
    "time": 1_790_000_001,
    "source": "simulator",
}
REJECTED = [
    (b"", "not a JSON object"),
    (None, "not a JSON object"),
    (b"\xff\xfe{}", "not a JSON object"),
    (b"[1, 2]", "not a JSON object"),
    (b'"text"', "not a JSON object"),
    (b'{"icao24": "4b18', "not a JSON object"),
    (b"{}", "icao24 is not 6 hex digits"),
    ({"icao24": "4b181"}, "icao24 is not 6 hex digits"),
    ({"icao24": "4b181z"}, "icao24 is not 6 hex digits"),
    ({"icao24": None}, "icao24 is not 6 hex digits"),
    ({"icao24": 123456}, "a field of the wrong type"),
    (b'{"icao24":"abc123","icao24":"def456"}', "icao24 stands twice"),
    (b'{"time":1,"icao24":"abc123","icao2\\u0034":"def456"}', "icao24 stands twice"),
    (b'{"icao24":"abc123","deep":' + b"[" * 100 + b"]" * 100 + b"}", "not a JSON object"),
    (b'{"long":"' + b"x" * 50_000 + b'","icao24":"abc123"}', "not a JSON object"),
    (b'{"number":0.' + b"1" * 1_000 + b',"icao24":"abc123"}', "not a JSON object"),
    (b'{"icao24":"abc123","callsign":"\\ud800"}', "not a JSON object"),
    ({"last_contact": None}, "last_contact is missing"),
    ({"last_contact": 1_790_000_062}, "last_contact is after the answer's time"),
    ({"time": None}, "time is missing"),
    ({"baro_altitude": "high"}, "a field of the wrong type"),
    ({"baro_altitude": "NaN"}, "a field of the wrong type"),
    ({"velocity": [1]}, "a field of the wrong type"),
    ({"velocity": 1e300}, "a field of the wrong type"),
    ({"on_ground": 1}, "a field of the wrong type"),
    ({"on_ground": "false"}, "a field of the wrong type"),
    ({"callsign": 12}, "a field of the wrong type"),
    ({"squawk": 7700}, "a field of the wrong type"),
    ({"origin_country": {"name": "Spain"}}, "a field of the wrong type"),
    ({"last_contact": 1_790_000_000.5}, "a field of the wrong type"),
    ({"last_contact": -5}, "a field of the wrong type"),
    ({"category": 2**40}, "a field of the wrong type"),
    ({"latitude": 90.5}, "latitude is outside the globe"),
    ({"longitude": -180.5}, "longitude is outside the globe"),
]
ACCEPTED = [
    {},
    {"last_contact": 1_790_000_061},
    {"latitude": None, "longitude": None, "baro_altitude": None, "velocity": None},
    {"vertical_rate": -450, "velocity": 1684.0, "baro_altitude": 28_560},
    {"callsign": 'A "quoted": 1', "squawk": None},
    {"icao24": "4B1814"},
    {"category": None, "on_ground": None},
]


def message(changes: dict[str, Any]) -> bytes:
    return json.dumps(GOOD | changes).encode()


def bronze(spark, values):
    rows = [(b"k", value, "sky", 0, offset, NOW, NOW.date()) for offset, value in enumerate(values)]
    schema = "key binary, value binary, topic string, partition int, offset long, kafka_timestamp timestamp, ingest_date date"
    return spark.createDataFrame(rows, schema)


def test_each_kind_of_bad_message_is_quarantined_with_its_reason(spark):
    values = [message(value) if isinstance(value, dict) else value for value, _ in REJECTED]
    found = {row.offset: row.reason for row in silver.rejected(bronze(spark, values)).collect()}
    assert found == {offset: reason for offset, (_, reason) in enumerate(REJECTED)}


def test_odd_but_possible_messages_are_observations(spark):
    values = [message(changes) for changes in ACCEPTED]
    assert silver.rejected(bronze(spark, values)).count() == 0
    places, found = messages.observations(values)
    assert places.tolist() == list(range(len(ACCEPTED)))
    rows = list(found.itertuples())
    assert rows[0].velocity_kmh == pytest.approx(361.8)
    assert (rows[0].callsign, rows[0].altitude_meters, rows[0].address) == ("SWR1", 1000.0, 0x4B1814)
    assert found.loc[2, ["altitude_meters", "velocity_kmh", "latitude"]].isna().all()
    assert rows[5].icao24 == "4b1814"
    assert found.loc[6, ["on_ground", "category"]].isna().all()


def test_an_aircraft_stays_in_its_bucket_however_its_address_is_written(spark):
    values = [message({}), b'{"icao24":"4b1814"}', b'{"icao24":"4B1814"}', b'{"time":1,"icao24":"4B1814"}']
    buckets = bronze(spark, values).select(silver.bucket(1000)).distinct().collect()
    assert len(buckets) == 1
    assert bronze(spark, [None, b"", b"garbage", b"\xff"]).select(silver.bucket(1000)).distinct().count() == 1


def test_three_readers_agree_on_a_thousand_garbled_messages(spark):
    """The streams' reading, the audit's and the oracle's: what one calls an observation, all do."""
    values = [garbled(random.Random(seed)) for seed in range(1500)]
    kept = set(messages.observations(values)[0].tolist())
    rejected = {row.offset for row in silver.rejected(bronze(spark, values)).select("offset").collect()}
    assert kept | rejected == set(range(len(values)))
    assert not kept & rejected
    assert 200 < len(kept) < 1300
    for offset, value in enumerate(values):
        assert (observed(value)[0] is not None) == (offset in kept), value
        assert (oracle.valid(value) is not None) == (offset in kept), value


def test_a_message_is_judged_alike_alone_and_beside_garbage():
    """Messages that are all in order take a shorter way."""
    edges = [
        -1e7,
        -9_999_999.5,
        -180,
        -180.5,
        -90,
        -90.5,
        -1,
        0,
        90,
        90.5,
        180,
        180.5,
        1e7,
        9_999_999.5,
        2**31,
        2**31 - 1,
    ]
    edges += [
        1_790_000_060,
        1_790_000_061,
        1_790_000_200,
        messages.LAST_SECOND,
        messages.LAST_SECOND + 1,
        None,
        True,
        "7700",
    ]
    values = [message({name: edge}).replace(b'": ', b'":').replace(b', "', b',"') for name in GOOD for edge in edges]
    assert sum(messages._written_by_us([value]) is not None for value in values) > 100
    assert [messages.reasons([value])[0] for value in values] == messages.reasons([*values, b"garbage"])[:-1]


def garbled(chance: random.Random) -> bytes:
    odd = [None, True, -1, 0, 1e9, 12.5, 2**70, "", "7700", "x" * 50, [], {"a": 1}, [[[]]], -1e7, 89.99, 1_790_000_030]
    changes = {chance.choice(list(GOOD)): chance.choice(odd) for _ in range(chance.randrange(3))}
    body = message(changes)
    if chance.random() < 0.25:
        place = chance.randrange(len(body))
        body = body[:place] + bytes([chance.randrange(256)]) * chance.randrange(3) + body[place + chance.randrange(3) :]
    return body
