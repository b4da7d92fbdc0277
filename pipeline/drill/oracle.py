"""The rules of docs/silver.md and docs/streaming_gold.md once more, in plain Python: loops, sets and `statistics`, nothing of the pipeline's.

What the streams write has to equal what these functions say, whichever way the messages came.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

EMERGENCY = {"7500", "7600", "7700"}
EXPERT = {
    "altitude_high": 13_716,
    "altitude_low": -300,
    "speed_high": 325 * 3.6,
    "vertical_rate": 30,
    "altitude_mismatch": 1_000,
}
SEED = {"altitude_high": 12_000, "altitude_low": -100, "speed_high": 1_000, "speed_low": 0}
ORDER = (
    "altitude_high",
    "altitude_low",
    "speed_high",
    "speed_low",
    "vertical_rate",
    "altitude_mismatch",
    "emergency_squawk",
)


def moment(seconds: float | None) -> datetime | None:
    """A time (s since 1970) as UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def valid(value: bytes | None) -> dict[str, Any] | None:
    """The message as a dictionary; None where the rules quarantine it."""
    message = _object(value or b"")
    if message is None:
        return None
    floats = ("longitude", "latitude", "baro_altitude", "velocity", "true_track", "vertical_rate", "geo_altitude")
    kinds: dict[str, tuple[type, ...]] = dict.fromkeys(("icao24", "callsign", "origin_country", "squawk"), (str,))
    kinds |= dict.fromkeys(floats, (int, float)) | dict.fromkeys(
        ("time", "time_position", "last_contact", "category"), (int,)
    )
    kinds |= {"on_ground": (bool,)}
    for name, kind in kinds.items():
        field: Any = message.get(name)
        if field is not None and type(field) not in kind:
            return None
        if name in floats and field is not None and not abs(field) < 1e7:
            return None
        if name in ("time", "time_position", "last_contact") and field is not None and not 0 <= field <= 4_102_444_800:
            return None
        if name == "category" and field is not None and not abs(field) < 2**31:
            return None
    if not re.fullmatch("[0-9a-fA-F]{6}", message.get("icao24") or "") or message.get("time") is None:
        return None
    if message.get("last_contact") is None or message["last_contact"] > message["time"] + 60:
        return None
    if abs(message.get("latitude") or 0) > 90 or abs(message.get("longitude") or 0) > 180:
        return None
    return message


def _object(value: bytes) -> dict[str, Any] | None:
    """The message as one JSON object of moderate depth that names its address once; None where it is none."""
    ours = value.startswith(b'{"icao24":"')
    if sum(value.count(one) for one in (b"[", b"{")) > 100:
        return None
    if not ours and (len(value) > 50_000 or re.search(rb"\d{1000}", value)):
        return None
    try:
        text = value.decode("utf-8")
        pairs = json.loads(text, parse_constant=_no, parse_float=_finite, parse_int=_finite, object_pairs_hook=_Pairs)
        json.dumps(pairs, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
    except ValueError:
        return None
    if not isinstance(pairs, _Pairs):
        return None
    addresses = [told for name, told in pairs if name == "icao24"]
    if len(addresses) > 1 and addresses[0] != addresses[-1]:
        return None
    return dict(pairs)


class _Pairs(list[Any]):
    """An object's names and values, each as often as it stands there."""


def _no(word: str) -> Any:
    raise ValueError(word)


def _finite(text: str) -> float | int:
    if abs(float(text)) == float("inf"):
        raise ValueError(text)
    return int(text) if text.lstrip("-").isdigit() else float(text)


def silver(values: Sequence[bytes | None], limits: str = "expert") -> list[dict[str, Any]]:
    """Rows of flights_ml for messages in the order in which Kafka has them (of each aircraft)."""
    histories: dict[str, list[dict[str, Any]]] = defaultdict(list)
    latest: dict[str, int] = {}
    rows = []
    for value in values:
        message = valid(value)
        if message is None:
            continue
        address, at = message["icao24"].lower(), message["last_contact"]
        if at <= latest.get(address, -1):
            continue
        if at - latest.get(address, at) > 15 * 60:
            histories[address] = []
        latest[address] = at
        row = _row(message, address, at, histories[address], limits)
        histories[address].append(row)
        rows.append(row)
    return rows


def _row(message: dict[str, Any], address: str, at: int, before: list[dict[str, Any]], limits: str) -> dict[str, Any]:
    get = message.get
    last = before[-1] if before else None
    speed = None if message.get("velocity") is None else message["velocity"] * 3.6
    row: dict[str, Any] = {
        "event_timestamp": moment(at),
        "icao24": address,
        "callsign": (get("callsign") or "").strip(" ") or None,
        "origin_country": get("origin_country") or "",
        "longitude": get("longitude"),
        "latitude": get("latitude"),
        "velocity_kmh": speed,
        "altitude_meters": get("baro_altitude"),
        "geo_altitude_meters": get("geo_altitude"),
        "vertical_rate": get("vertical_rate"),
        "true_track": get("true_track"),
        "on_ground": get("on_ground"),
        "squawk": get("squawk"),
        "category": get("category"),
        "position_timestamp": moment(get("time_position")),
        "snapshot_timestamp": moment(get("time")),
        "previous_timestamp": last and last["event_timestamp"],
        "prev_altitude": last and last["altitude_meters"],
        "prev_velocity": last and last["velocity_kmh"],
        "observation_rank": len(before) + 1,
        "date": moment(at).date(),  # type: ignore[union-attr]
    }
    row["altitude_change"] = _minus(row["altitude_meters"], row["prev_altitude"])
    row["velocity_change"] = _minus(speed, row["prev_velocity"])
    six = [*before[-5:], row]
    altitudes = [one["altitude_meters"] for one in six if one["altitude_meters"] is not None]
    speeds = [one["velocity_kmh"] for one in six if one["velocity_kmh"] is not None]
    row["rolling_avg_altitude"] = statistics.fmean(altitudes) if altitudes else None
    row["rolling_std_altitude"] = statistics.stdev(altitudes) if len(altitudes) > 1 else None
    row["rolling_avg_velocity"] = statistics.fmean(speeds) if speeds else None
    rate = row["vertical_rate"]
    if rate is None and row["altitude_change"] is not None:
        rate = row["altitude_change"] / (row["event_timestamp"] - row["previous_timestamp"]).total_seconds()
    row["flight_phase"] = _phase(row, rate)
    same = (one["event_timestamp"] for one in reversed(before) if one["flight_phase"] == row["flight_phase"])
    row["previous_phase_timestamp"] = next(same, None)
    row["anomalies"] = _anomalies(row, last, limits)
    odd = (one["event_timestamp"] for one in reversed(before) if one["anomalies"])
    row["previous_anomaly_timestamp"] = next(odd, None)
    return row


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _phase(row: dict[str, Any], rate: float | None) -> str:
    altitude = row["altitude_meters"]
    if row["on_ground"]:
        return "GROUND"
    if rate is None:
        return "TRANSITION"
    if rate > 50 / 15 and altitude is not None and altitude < 3_000:
        return "TAKEOFF"
    if rate > 20 / 15:
        return "CLIMB"
    if abs(rate) <= 20 / 15 and altitude is not None and altitude > 8_000:
        return "CRUISE"
    return "DESCENT" if rate < -20 / 15 else "TRANSITION"


def _emergency(row: dict[str, Any]) -> bool:
    return row["squawk"] in EMERGENCY and not row["on_ground"]


def _anomalies(row: dict[str, Any], last: dict[str, Any] | None, limits: str) -> list[str]:
    bounds = EXPERT if limits == "expert" else SEED
    values = _values(row)
    low = ("altitude_low", "speed_low")
    found = {
        name
        for name, bound in bounds.items()
        if (value := values[name]) is not None and (value < bound if name in low else abs(value) > bound)
    }
    if (values["altitude_meters"] or 0) < 0:
        found.discard("altitude_high")
    if limits == "expert" and _emergency(row) and last is not None and _emergency(last):
        found.add("emergency_squawk")
    return [name for name in ORDER if name in found]


def _values(row: dict[str, Any]) -> dict[str, float | None]:
    altitude, speed = row["altitude_meters"], row["velocity_kmh"]
    return {
        "altitude_meters": altitude,
        "altitude_high": altitude,
        "altitude_low": altitude,
        "speed_high": speed if speed is None or speed >= 0 else None,
        "speed_low": speed,
        "vertical_rate": row["vertical_rate"],
        "altitude_mismatch": _minus(row["geo_altitude_meters"], altitude),
        "emergency_squawk": float(row["squawk"]) if row["squawk"] in EMERGENCY else None,
    }


def phase_counts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of flight_phase_counts."""
    windows: dict[tuple[datetime, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        windows[row["event_timestamp"].replace(second=0), row["flight_phase"]].append(row)
    return [
        {
            "window_start": start,
            "window_end": start + timedelta(minutes=1),
            "flight_phase": phase,
            "observations": len(inside),
            "aircraft": len({row["icao24"] for row in inside}),
            "avg_altitude_meters": _mean(inside, "altitude_meters"),
            "altitude_count": _count(inside, "altitude_meters"),
            "avg_velocity_kmh": _mean(inside, "velocity_kmh"),
            "velocity_count": _count(inside, "velocity_kmh"),
            "first_snapshot_timestamp": min(row["snapshot_timestamp"] for row in inside),
            "date": start.date(),
        }
        for (start, phase), inside in windows.items()
    ]


def alerts(rows: list[dict[str, Any]], limits: str = "expert") -> list[dict[str, Any]]:
    """Rows of anomaly_alerts."""
    windows: dict[tuple[datetime, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        for back in range(5):
            start = row["event_timestamp"].replace(second=0) - timedelta(minutes=back)
            windows[start, row["origin_country"]].append(row)
    return [_alert(start, country, inside, limits) for (start, country), inside in windows.items()]


def _alert(start: datetime, country: str, inside: list[dict[str, Any]], limits: str) -> dict[str, Any]:
    aircraft = {row["icao24"] for row in inside}
    anomalous = {row["icao24"] for row in inside if row["anomalies"]}
    checked = {*EXPERT, "emergency_squawk"} if limits == "expert" else {*SEED}
    alert: dict[str, Any] = {
        "window_start": start,
        "window_end": start + timedelta(minutes=5),
        "origin_country": country,
        "observations": len(inside),
        "aircraft": len(aircraft),
        "anomalous_aircraft": len(anomalous),
        "anomaly_rate": len(anomalous) / len(aircraft),
        "examples": _examples(inside, limits),
        "first_snapshot_timestamp": min(row["snapshot_timestamp"] for row in inside),
        "date": start.date(),
    }
    for name in ORDER:
        alert[f"{name}_count"] = sum(name in row["anomalies"] for row in inside) if name in checked else None
    for quantity, short in (("altitude_meters", "altitude"), ("velocity_kmh", "velocity")):
        values = [row[quantity] for row in inside if row[quantity] is not None]
        alert |= {
            f"min_{quantity}": min(values, default=None),
            f"max_{quantity}": max(values, default=None),
            f"avg_{quantity}": statistics.fmean(values) if values else None,
            f"stddev_{quantity}": statistics.stdev(values) if len(values) > 1 else None,
            f"{short}_count": len(values),
        }
    return alert


def _examples(inside: list[dict[str, Any]], limits: str) -> list[tuple[Any, ...]]:
    """Each anomalous aircraft at its first anomalous row, emergencies first, then by address; five at most."""
    first: dict[str, dict[str, Any]] = {}
    for row in sorted((row for row in inside if row["anomalies"]), key=lambda row: row["event_timestamp"]):
        first.setdefault(row["icao24"], row)
    bounds = EXPERT if limits == "expert" else SEED
    shown = [(row["icao24"], row["callsign"], row["anomalies"][-1], row) for row in first.values()]
    shown.sort(key=lambda one: (one[2] != "emergency_squawk", one[0]))
    return [
        (address, callsign, reason, _values(row)[reason], bounds.get(reason))
        for address, callsign, reason, row in shown[:5]
    ]


def _mean(rows: list[dict[str, Any]], quantity: str) -> float | None:
    values = [row[quantity] for row in rows if row[quantity] is not None]
    return statistics.fmean(values) if values else None


def _count(rows: list[dict[str, Any]], quantity: str) -> int:
    return sum(row[quantity] is not None for row in rows)
