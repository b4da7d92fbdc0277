"""The sky as numpy columns: small enough to send 12,000 aircraft at once, and quick to filter.

Texts are packed into whole numbers, and the browser takes them apart where a person points: a callsign is two uint32 of four
letters, icao24 one uint32, country and phase are places in a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from coastline import mercator

from pipeline.anomalies import EMERGENCY_SQUAWKS
from pipeline.tables import PHASES

Array = npt.NDArray[Any]
Flags = npt.NDArray[np.bool_]

CALLSIGN_LETTERS = 8
MISSING = -(2**31)  # the browser's hover takes no NaN
HALF_OPENING = 20  # degrees to each side: an aircraft is a wedge, its tip where the aircraft is
FLYING, TAXIING, TRACKLESS = 10, 7, 4  # radius in screen pixels

EMERGENCIES = {
    "7500": "unlawful interference",
    "7600": "radio failure",
    "7700": "general emergency",
}


@dataclass(frozen=True)
class PackedSky:
    """Aircraft in the order of the sky's rows. `columns` go to the browser; the rest is for the server."""

    columns: dict[str, Array]
    countries: tuple[str, ...]
    callsigns: Array
    addresses: Array
    has_position: Flags
    is_emergency: Flags
    squawks: Array
    newest: datetime | None

    def __len__(self) -> int:
        return len(self.addresses)

    def taken(self, kept: Flags) -> dict[str, Array]:
        """The columns of some aircraft."""
        return self.columns if kept.all() else {name: values[kept] for name, values in self.columns.items()}


@dataclass(frozen=True)
class Filters:
    """What is to be seen; an empty list and an empty text leave everything. Altitudes in metres, None for all."""

    phases: Sequence[str] = ()
    countries: Sequence[str] = ()
    altitudes: tuple[float, float] | None = None
    find: str = ""


def packed(sky: pd.DataFrame) -> PackedSky:
    """Pack the rows of `pipeline.sightings.updated`."""
    if not len(sky):
        sky = pd.DataFrame({name: [] for name in _NEEDED}).astype({"event_timestamp": "datetime64[us, UTC]"})
    longitude, latitude = _floats(sky["longitude"]), _floats(sky["latitude"])
    x, y = mercator(longitude, latitude)
    codes, countries = pd.factorize(sky["origin_country"].fillna(""), sort=True)
    callsigns, addresses = ascii_text(sky["callsign"], CALLSIGN_LETTERS), ascii_text(sky["icao24"], 6)
    first, last = callsign_numbers(callsigns)
    grounded = sky["on_ground"].eq(True).to_numpy(bool)
    start, end, radius = wedges(_floats(sky["true_track"]), grounded)
    phases = pd.Categorical(sky["flight_phase"], categories=list(PHASES)).codes.astype(np.int16)
    squawks = ascii_text(sky["squawk"], 4)
    columns = {
        "x": x,
        "y": y,
        "start": start,
        "end": end,
        "radius": radius,
        "phase": np.where(phases < 0, len(PHASES), phases).astype(np.uint8),
        "first": first,
        "last": last,
        "icao24": address_numbers(addresses),
        "country": codes.astype(np.uint16),
        "altitude": whole(_floats(sky["altitude_meters"])),
        "speed": whole(_floats(sky["velocity_kmh"])),
        "time": sky["event_timestamp"].dt.as_unit("s").astype("int64").to_numpy().astype(np.uint32),
    }
    newest = sky["event_timestamp"].max().to_pydatetime() if len(sky) else None
    return PackedSky(
        columns,
        tuple(map(str, countries)),
        callsigns,
        addresses,
        np.isfinite(x) & np.isfinite(y),
        emergencies(squawks, grounded),
        squawks,
        newest,
    )


_NEEDED = (
    "icao24",
    "callsign",
    "origin_country",
    "event_timestamp",
    "longitude",
    "latitude",
    "altitude_meters",
    "velocity_kmh",
    "true_track",
    "on_ground",
    "squawk",
    "flight_phase",
)
_last: tuple[pd.DataFrame, PackedSky] | None = None


def packed_once(sky: pd.DataFrame) -> PackedSky:
    """The same, done once for all sessions: they share the hub's snapshot."""
    global _last
    if _last is None or _last[0] is not sky:
        _last = sky, packed(sky)
    return _last[1]


def passing(sky: PackedSky, filters: Filters) -> Flags:
    """Which aircraft pass; one whose altitude is missing passes only while no band of altitudes is set."""
    found = np.ones(len(sky), bool)
    if filters.phases:
        found &= np.isin(sky.columns["phase"], [PHASES.index(phase) for phase in filters.phases])
    if filters.countries:
        chosen = [place for place, country in enumerate(sky.countries) if country in filters.countries]
        found &= np.isin(sky.columns["country"], chosen)
    if filters.altitudes is not None:
        low, high = filters.altitudes
        altitude = sky.columns["altitude"]
        found &= (altitude != MISSING) & (altitude >= low) & (altitude <= high)
    if filters.find.strip():
        found &= having(sky, filters.find)
    return found


def having(sky: PackedSky, text: str) -> Flags:
    """Aircraft with the text in their callsign or in their icao24, capital or not."""
    wanted = text.strip().encode("ascii", "replace")
    capitals: Array = np.strings.upper(sky.callsigns)
    in_callsign = np.strings.find(capitals, wanted.upper()) >= 0
    return np.asarray(in_callsign | (np.strings.find(sky.addresses, wanted.lower()) >= 0), bool)


def named(sky: PackedSky, text: str) -> list[str]:
    """The icao24 of aircraft that a text names: that address, else that callsign, else all that have it in either."""
    wanted = text.strip().encode("ascii", "replace")
    if not wanted:
        return []
    for found in (
        sky.addresses == wanted.lower(),
        np.strings.upper(sky.callsigns) == wanted.upper(),
        having(sky, text),
    ):
        if found.any():
            return [address.decode() for address in sky.addresses[found]]
    return []


def whole(values: npt.NDArray[np.float64]) -> Array:
    """Values rounded to whole units, `MISSING` where there is none."""
    return np.where(np.isfinite(values), np.rint(values), MISSING).astype(np.int32)


def emergencies(squawks: Array, grounded: Flags) -> Flags:
    """Which aircraft are in the air and send 7500, 7600 or 7700; on the ground the codes are set for tests."""
    return np.isin(squawks, [code.encode() for code in EMERGENCY_SQUAWKS]) & ~grounded


def ascii_text(values: pd.Series[str], letters: int) -> Array:
    """Texts as fixed bytes: missing is empty, what is no ASCII becomes a question mark, the rest is cut off."""
    texts = values.fillna("").tolist()
    try:
        return np.array(texts, f"S{letters}")
    except UnicodeEncodeError:
        return np.array([text.encode("ascii", "replace") for text in texts], f"S{letters}")


def callsign_numbers(callsigns: Array) -> tuple[Array, Array]:
    """Eight bytes as two whole numbers, the first letter in the highest byte of the first."""
    halves = callsigns.astype(f"S{CALLSIGN_LETTERS}").view(">u4").reshape(-1, 2).astype(np.uint32)
    return np.ascontiguousarray(halves[:, 0]), np.ascontiguousarray(halves[:, 1])


def callsign_of(first: int, last: int) -> str:
    """The callsign that two numbers hold, as the browser reads it."""
    return (int(first).to_bytes(4, "big") + int(last).to_bytes(4, "big")).rstrip(b"\0").decode()


def address_numbers(addresses: Array) -> Array:
    """Six hex digits as a whole number."""
    digits = addresses.astype("S6").view(np.uint8).reshape(-1, 6).astype(np.uint32)
    values = np.where(digits >= ord("a"), digits - ord("a") + 10, digits - ord("0"))
    return np.asarray((values << np.arange(20, -1, -4, dtype=np.uint32)).sum(axis=1), np.uint32)


def wedges(track: npt.NDArray[np.float64], grounded: Flags) -> tuple[Array, Array, Array]:
    """Start and end angle (degrees, anticlockwise from east) and radius of each aircraft's wedge; a full circle without a track."""
    known = np.isfinite(track)
    back = np.where(known, (270 - np.nan_to_num(track)) % 360, 0)
    start = np.where(known, back - HALF_OPENING, 0).round().astype(np.int16)
    end = np.where(known, back + HALF_OPENING, 360).round().astype(np.int16)
    radius = np.where(known, np.where(grounded, TAXIING, FLYING), TRACKLESS).astype(np.uint8)
    return start, end, radius


def _floats(values: pd.Series[float]) -> npt.NDArray[np.float64]:
    return pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
