"""A selection as text: it comes back as it was, and what is not allowed is refused with what is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from explore.brush import Brushes
from explore.brush_text import changed, read, rounded, written

AT = datetime(2026, 11, 24, 6, 30, 5, tzinfo=UTC).timestamp() * 1000
ALL = (
    Brushes()
    .with_band("altitude_meters", (-200, 9_000))
    .with_band("velocity_kmh", (300, 800))
    .with_band("time_ms", (AT, AT + 60_000))
    .with_area((-10.5, 40, 5, 52.125))
)
TEXT = "altitude:-200..9000;speed:300..800;time:2026-11-24T06:30:05Z..2026-11-24T06:31:05Z;area:-10.5,40,5,52.125"


def test_a_selection_is_written_in_words_and_comes_back():
    assert written(ALL) == TEXT
    assert read(TEXT) == ALL
    assert read("") == Brushes()
    assert written(Brushes()) == ""


def test_a_drag_is_rounded_to_what_its_text_says():
    drag = Brushes().with_band("altitude_meters", (1999.6, 8999.5001)).with_area((-0.0001, 40.00049, 5, 52))
    assert rounded(drag) == Brushes((("altitude_meters", (2_000, 9_000)),), (0, 40, 5, 52))
    assert rounded(rounded(drag)) == rounded(drag)
    wide = rounded(Brushes().with_band("velocity_kmh", (-1e9, 1e9)))
    assert dict(wide.bands)["velocity_kmh"] == (-100_000, 100_000)


def test_a_field_changes_its_own_part_and_an_empty_one_takes_it_away():
    assert changed(ALL, "speed", "") == read(TEXT.replace("speed:300..800;", ""))
    assert changed(ALL, "area", " ").area is None
    assert changed(Brushes(), "time", "2026-11-24 06:30:05..2026-11-24T07:31:05+01:00") == read(
        "time:2026-11-24T06:30:05Z..2026-11-24T06:31:05Z"
    )


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("altitude:9000..2000", r"a range such as 2000\.\.9000 \(metres\), the lower end first"),
        ("altitude:low..high", r"a range such as 2000"),
        ("altitude:2000", r"a range such as 2000"),
        ("altitude:nan..2000", r"a range such as 2000"),
        ("speed:0..1000000", r"a range such as 300\.\.800"),
        ("time:06:30..06:45", r"a range such as 2026-11-24T06:30:00Z"),
        ("time:2026-11-24T06:30Z..9999-01-01", r"a range such as 2026"),
        ("area:1,2,3", r"an area such as -10,40,5,52\.5"),
        ("area:10,40,5,52", r"an area such as"),
        ("area:0,-91,5,52", r"an area such as"),
        ("colour:1..2", r"altitude, speed, time or area, a colon, and a range"),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(text: str, allowed: str):
    with pytest.raises(ValueError, match=allowed):
        read(text)
