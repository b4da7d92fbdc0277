"""A selection as text, for addresses and for those who type: `altitude:2000..9000;speed:300..800;time:…Z..…Z;area:-10,40,5,52.5`.

Whole metres, km/h and seconds (UTC), thousandths of a degree: what is read is what was written, so a drag is rounded to that.
"""

from __future__ import annotations

from datetime import UTC, datetime

from explore.brush import Area, Band, Brushes

AREA = "area"
NAMES = {"altitude": "altitude_meters", "speed": "velocity_kmh", "time": "time_ms"}
MEASURES = {measure: name for name, measure in NAMES.items()}
FARTHEST = 100_000
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
EXAMPLES = {
    "altitude": "2000..9000 (metres)",
    "speed": "300..800 (km/h)",
    "time": "2026-11-24T06:30:00Z..2026-11-24T06:45:00Z",
    AREA: "-10,40,5,52.5 (west, south, east and north in degrees)",
}


def written(brushes: Brushes) -> str:
    """All that is brushed; empty when nothing is."""
    told = {MEASURES[measure]: band_text(measure, band) for measure, band in brushes.bands}
    told |= {AREA: area_text(brushes.area)} if brushes.area is not None else {}
    return ";".join(f"{name}:{told[name]}" for name in (*NAMES, AREA) if name in told)


def read(text: str) -> Brushes:
    """What a text brushes. Raises ValueError with what is allowed."""
    brushes = Brushes()
    for part in filter(None, text.split(";")):
        name, _, words = part.partition(":")
        brushes = changed(brushes, name, words)
    return brushes


def changed(brushes: Brushes, name: str, words: str) -> Brushes:
    """The same with another band or area, or without it when `words` is empty. Raises ValueError with what is allowed."""
    if name == AREA:
        return brushes.with_area(read_area(words) if words.strip() else None)
    if name not in NAMES:
        raise ValueError(f"{', '.join(NAMES)} or {AREA}, a colon, and a range such as altitude:{EXAMPLES['altitude']}")
    return brushes.with_band(NAMES[name], read_band(name, words) if words.strip() else None)


def rounded(brushes: Brushes) -> Brushes:
    """What its text says of it."""
    return read(written(brushes))


def band_text(measure: str, band: Band) -> str:
    """The two ends of a band."""
    if measure == "time_ms":
        return "..".join(f"{datetime.fromtimestamp(end / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}" for end in band)
    return "..".join(f"{min(max(end, -FARTHEST), FARTHEST):.0f}" for end in band)


def read_band(name: str, words: str) -> Band:
    """The band that `low..high` says. Raises ValueError with what is allowed."""
    low, dots, high = words.strip().partition("..")
    try:
        ends = tuple(_end(name, one.strip()) for one in (low, high))
    except ValueError:
        dots = ""
    if not dots or ends[0] > ends[1]:
        raise ValueError(f"a range such as {EXAMPLES[name]}, the lower end first")
    return ends[0], ends[1]


def _end(name: str, word: str) -> float:
    if name == "time":
        at = datetime.fromisoformat(word)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        if not 0 <= at.timestamp() <= LATEST.timestamp():
            raise ValueError(word)
        return at.timestamp() * 1000
    value = float(word)
    if not -FARTHEST <= value <= FARTHEST:
        raise ValueError(word)
    return value


def area_text(area: Area) -> str:
    """West, south, east and north in degrees."""
    return ",".join(f"{round(edge, 3) + 0.0:g}" for edge in area)


def read_area(words: str) -> Area:
    """The area that four numbers say. Raises ValueError with what is allowed."""
    try:
        west, south, east, north = (float(edge) for edge in words.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError(f"an area such as {EXAMPLES[AREA]}")
    return west, south, east, north
