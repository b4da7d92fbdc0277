"""Coast and borders of the world, offline, in Web Mercator. Natural Earth 1:50m, public domain, simplified to a tenth of a degree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

EARTH_RADIUS_M = 6_378_137.0
HIGHEST_LATITUDE = 85.0
WORLD = Path(__file__).with_name("world.json")

Floats = npt.NDArray[np.float32]
Degrees = npt.NDArray[np.float64]


def mercator(longitude: npt.ArrayLike, latitude: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Web Mercator (EPSG:3857) metres of degrees; latitudes beyond 85 degrees are drawn at 85, NaN stays NaN."""
    across = np.radians(np.asarray(longitude, np.float64))
    up = np.radians(np.clip(np.asarray(latitude, np.float64), -HIGHEST_LATITUDE, HIGHEST_LATITUDE))
    x, y = EARTH_RADIUS_M * across, EARTH_RADIUS_M * np.log(np.tan(np.pi / 4 + up / 2))
    return x.astype(np.float32), y.astype(np.float32)


def degrees(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of Web Mercator metres; what lies on the edge of the map or beyond reaches to the pole."""
    latitude = float(np.degrees(2 * np.arctan(np.exp(y / EARTH_RADIUS_M)) - np.pi / 2))
    longitude = float(np.clip(np.degrees(x / EARTH_RADIUS_M), -180, 180))
    return longitude, latitude if abs(latitude) < HIGHEST_LATITUDE else float(np.copysign(90, latitude))


@cache
def lines(name: str) -> tuple[Floats, Floats]:
    """All lines of `coast` or `borders` as one: a NaN ends a line, so that the browser draws them in one go."""
    return mercator(*joined(json.loads(WORLD.read_text())[name]))


def joined(flat: Sequence[Sequence[float]]) -> tuple[Degrees, Degrees]:
    """Longitudes and latitudes of lines given as lon, lat, lon, lat, …; a NaN after each."""
    points = np.concatenate([np.array([*line, np.nan, np.nan], np.float64) for line in flat]).reshape(-1, 2)
    return cut(points[:, 0], points[:, 1])


def cut(longitude: Degrees, latitude: Degrees) -> tuple[Degrees, Degrees]:
    """A way with a NaN where it passes the date line: on a map it would go around the world."""
    over = np.flatnonzero(np.abs(np.diff(longitude)) > 180) + 1
    return np.insert(longitude, over, np.nan), np.insert(latitude, over, np.nan)
