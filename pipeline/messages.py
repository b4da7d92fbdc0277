"""What a message has to be to count as an observation, and the columns of those that do.

`_read` is the rule: orjson reads a message, and its fields are judged one by one. Nearly every message is just as Contrail's
producer writes it, and those are read by a typed decoder, many at once (`_written_by_us`), which takes a third of the time.
Ranges are checked on whole columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from types import NoneType
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
from msgspec import Meta

KMH_PER_MS = 3.6
FUTURE_SECONDS = 60
LAST_SECOND = 4_102_444_800  # 2100-01-01: a later time is a broken clock, or milliseconds
LARGEST = 1e7  # no quantity of a state vector reaches it in its unit; below it sums of thousandths are exact
LARGEST_CATEGORY = 2**31

TEXTS = ("icao24", "callsign", "origin_country", "squawk")
FLOATS = ("longitude", "latitude", "baro_altitude", "velocity", "true_track", "vertical_rate", "geo_altitude")
TIMES = ("time", "time_position", "last_contact")
NAMES = (*TEXTS, *FLOATS, *TIMES, "on_ground", "category")

TYPES: dict[str, tuple[type, ...]] = (
    dict.fromkeys(TEXTS, (str, NoneType))
    | dict.fromkeys(FLOATS, (float, int, NoneType))
    | dict.fromkeys((*TIMES, "category"), (int, NoneType))
    | {"on_ground": (bool, NoneType)}
)
ADDRESS = re.compile("[0-9a-fA-F]{6}")
HEX = re.compile("[0-9a-fA-F]*")
# JSON that not every reader takes: Spark looks for the address in messages that do not begin as Contrail's own do.
MOST_BRACKETS, LONGEST_OF_OTHERS, LONG_NUMBER = 100, 50_000, re.compile(rb"[0-9]{1000}")
OPENING = b'{"icao24":"'  # how Contrail's producer begins a message: Spark takes the address from there

REASONS = (  # in the order in which they are looked for
    NO_OBJECT := "not a JSON object",
    NO_ADDRESS := "icao24 is not 6 hex digits",
    TWO_ADDRESSES := "icao24 stands twice",
    WRONG_TYPE := "a field of the wrong type",
    NO_CONTACT := "last_contact is missing",
    NO_TIME := "time is missing",
    FUTURE := "last_contact is after the answer's time",
    LATITUDE := "latitude is outside the globe",
    LONGITUDE := "longitude is outside the globe",
)

CHUNK = 1000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]


Real = Annotated[float, Meta(gt=-LARGEST, lt=LARGEST)]
Moment = Annotated[int, Meta(ge=0, le=LAST_SECOND)]
Long = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # orjson takes no number that is larger than any double


class Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A message of Contrail's own producer, every field in its range: the API's fields, the answer's time and the feed's name."""

    icao24: str
    callsign: str | None
    origin_country: str | None
    time_position: Moment | None
    last_contact: Moment
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None
    baro_altitude: Real | None
    on_ground: bool | None
    velocity: Real | None
    true_track: Real | None
    vertical_rate: Real | None
    sensors: list[Long] | None
    geo_altitude: Real | None
    squawk: str | None
    spi: bool | None
    position_source: Long | None
    time: Moment
    source: str
    category: Annotated[int, Meta(gt=-LARGEST_CATEGORY, lt=LARGEST_CATEGORY)] | None = None


_decode = msgspec.json.Decoder(Message).decode
ATTRIBUTES = {name: attrgetter(name) for name in NAMES}
_fields_of = itemgetter(*NAMES)
_address_of = itemgetter(0)
_well_typed: dict[tuple[type, ...], bool] = {}


def reasons(values: Sequence[bytes | None]) -> list[str | None]:
    """Why each message is no observation; None for those that are."""
    found: list[str | None] = []
    for begin in range(0, len(values), CHUNK):
        chunk = [value or b"" for value in values[begin : begin + CHUNK]]
        decoded = _written_by_us(chunk)
        # Those have no field that is out of range by itself.
        if decoded is None or any(one.last_contact > one.time + FUTURE_SECONDS for one in decoded):
            found += _judged(chunk)[0]
        else:
            found += [None] * len(chunk)
    return found


def observations(values: Sequence[bytes | None]) -> tuple[Ints, pd.DataFrame]:
    """The places of the messages that are observations, and these in the units of `flights_ml`.

    The frame has `address` (icao24 as a number), `time`, `position_time` and `snapshot_time` (s since 1970), km/h and metres;
    a missing number is NaN, a missing text None.
    """
    found, rows, columns = _judged(values)
    taken = np.array([found[row] is None for row in rows], bool)
    fields = {name: column[taken] for name, column in columns.items()}
    frame = pd.DataFrame(
        {
            "address": np.array([int(one, 16) for one in fields["icao24"]], np.int64),
            "time": fields["last_contact"].astype(np.int64),
            "icao24": [one.lower() for one in fields["icao24"]],
            "callsign": [(one or "").strip(" ") or None for one in fields["callsign"]],
            "origin_country": [one or "" for one in fields["origin_country"]],
            "longitude": fields["longitude"],
            "latitude": fields["latitude"],
            "velocity_kmh": fields["velocity"] * KMH_PER_MS,
            "altitude_meters": fields["baro_altitude"],
            "geo_altitude_meters": fields["geo_altitude"],
            "vertical_rate": fields["vertical_rate"],
            "true_track": fields["true_track"],
            "on_ground": fields["on_ground"],
            "squawk": fields["squawk"],
            "category": fields["category"],
            "position_time": fields["time_position"],
            "snapshot_time": fields["time"].astype(np.int64),
        }
    )
    return rows[taken], frame


def _judged(values: Sequence[bytes | None]) -> tuple[list[str | None], Ints, Columns]:
    """The reason of each message; the places of those that were read; and the columns of those."""
    found: list[str | None] = []
    parts = []
    for begin in range(0, len(values), CHUNK):
        told, columns = _taken_apart([value or b"" for value in values[begin : begin + CHUNK]])
        found += told
        parts.append(columns)
    rows = np.array([place for place, reason in enumerate(found) if reason is None], np.int64)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in NAMES} if parts else _columns({})
    for reason, wrong in _out_of_range(columns):
        for row in rows[wrong]:
            found[row] = found[row] or reason
    return found, rows, columns


def _taken_apart(chunk: Sequence[bytes]) -> tuple[list[str | None], Columns]:
    """The reasons of a chunk's messages, ranges aside, and the columns of those that were read.

    By chunks, since values that were just made are still in the processor's cache.
    """
    decoded = _written_by_us(chunk)
    if decoded is not None:
        return [None] * len(chunk), _columns({name: list(map(get, decoded)) for name, get in ATTRIBUTES.items()})
    read = [_read(value) for value in chunk]
    fields = [one for one in read if not isinstance(one, str)]
    columns = _columns(dict(zip(NAMES, zip(*fields, strict=True), strict=True)) if fields else {})
    return [one if isinstance(one, str) else None for one in read], columns


def _columns(values: Mapping[str, Sequence[Any]]) -> Columns:
    """Texts as objects, all else as floats, NaN where it is missing."""
    return {name: np.array(values.get(name, ()), object if name in TEXTS else np.float64) for name in NAMES}


def _written_by_us(chunk: Sequence[bytes]) -> list[Message] | None:
    """Messages that are all as Contrail's producer writes them; None when any is not.

    What is taken here `_read` would take as well, with the same values: the decoder allows no other field and no other type,
    all text is ASCII, and the address at the message's beginning is the one that was decoded.
    """
    try:
        decoded = [_decode(value) for value in chunk]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    heads = np.frombuffer(b"".join([value[: len(OPENING) + 6] for value in chunk]), np.uint8)
    if len(heads) != len(chunk) * (len(OPENING) + 6) or not b"".join(chunk).isascii():
        return None
    heads = heads.reshape(len(chunk), -1)
    addresses = [message.icao24 for message in decoded]
    if set(map(len, addresses)) != {6} or not HEX.fullmatch("".join(addresses)):
        return None
    if heads[:, len(OPENING) :].tobytes() != "".join(addresses).encode():
        return None
    if not (heads[:, : len(OPENING)] == np.frombuffer(OPENING, np.uint8)).all():
        return None
    return decoded


def _read(value: bytes) -> tuple[Any, ...] | str:
    """The fields of a message in the order of NAMES, or why they cannot be taken."""
    if value.count(b"[") + value.count(b"{") > MOST_BRACKETS or _is_unusual(value):
        return NO_OBJECT
    try:
        message = orjson.loads(value)
    except orjson.JSONDecodeError:
        return NO_OBJECT
    if type(message) is not dict:
        return NO_OBJECT
    try:
        fields: tuple[Any, ...] = _fields_of(message)
    except KeyError:
        fields = tuple(map(message.get, NAMES))
    address = _address_of(fields)
    if type(address) is not str or not ADDRESS.fullmatch(address):
        # A number is of the wrong type even where its digits would do as an address.
        return WRONG_TYPE if type(address) is int and ADDRESS.fullmatch(str(address)) else NO_ADDRESS
    if _first_address(value) != address:
        return TWO_ADDRESSES
    types = tuple(map(type, fields))
    if types not in _well_typed:
        _well_typed[types] = all(one in TYPES[name] for one, name in zip(types, NAMES, strict=True))
    return fields if _well_typed[types] else WRONG_TYPE


def _is_unusual(value: bytes) -> bool:
    """Whether a message that others made is longer, or has a longer number, than every reader of JSON takes."""
    return not value.startswith(OPENING) and (len(value) > LONGEST_OF_OTHERS or LONG_NUMBER.search(value) is not None)


def _first_address(value: bytes) -> Any:
    """The address that stands first, which Spark takes; orjson takes the last."""
    if value.startswith(OPENING):
        return value[len(OPENING) : len(OPENING) + 6].decode("ascii", "replace")
    pairs = json.loads(value.decode(), object_pairs_hook=lambda pairs: pairs)
    return next(told for name, told in pairs if name == "icao24")


def _out_of_range(columns: dict[str, Floats]) -> Iterable[tuple[str, npt.NDArray[np.bool_]]]:
    """Reasons in their order, each with the rows that have it; NaN is missing."""
    wild = np.zeros(len(columns["time"]), bool)
    for name in FLOATS:
        wild |= np.abs(columns[name]) >= LARGEST
    for name in TIMES:
        wild |= (columns[name] < 0) | (columns[name] > LAST_SECOND)
    yield WRONG_TYPE, wild | (np.abs(columns["category"]) >= LARGEST_CATEGORY)
    yield NO_CONTACT, np.isnan(columns["last_contact"])
    yield NO_TIME, np.isnan(columns["time"])
    yield FUTURE, columns["last_contact"] > columns["time"] + FUTURE_SECONDS
    yield LATITUDE, np.abs(columns["latitude"]) > 90
    yield LONGITUDE, np.abs(columns["longitude"]) > 180
