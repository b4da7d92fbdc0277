"""Which rows of a sample are chosen by brushing altitudes, speeds, times and an area of the map. Plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.tables import PHASES

BINS = 50
MEASURES = ("altitude_meters", "velocity_kmh", "time_ms")
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Band = tuple[float, float]
Area = tuple[float, float, float, float]


@dataclass(frozen=True)
class Brushes:
    """What is brushed: bands `measure -> (low, high)` and an area (west, south, east, north) in degrees."""

    bands: tuple[tuple[str, Band], ...] = ()
    area: Area | None = None

    def with_band(self, measure: str, band: Band | None) -> Brushes:
        """The same with another band of a measure, or without one."""
        kept = {name: one for name, one in self.bands if name != measure}
        return Brushes(tuple(sorted((kept | ({} if band is None else {measure: band})).items())), self.area)

    def with_area(self, area: Area | None) -> Brushes:
        """The same with another area, or without one."""
        return Brushes(self.bands, area)

    def __bool__(self) -> bool:
        return bool(self.bands) or self.area is not None


class Brushed:
    """A sample's rows as columns to brush."""

    def __init__(self, flights: pd.DataFrame) -> None:
        self.flights = flights
        self.longitude = flights["longitude"].to_numpy(np.float64)
        self.latitude = flights["latitude"].to_numpy(np.float64)
        stamps = flights["event_timestamp"].dt.tz_localize(None).to_numpy("datetime64[ms]")
        self.measures: dict[str, Floats] = {
            "altitude_meters": flights["altitude_meters"].to_numpy(np.float64),
            "velocity_kmh": flights["velocity_kmh"].to_numpy(np.float64),
            "time_ms": stamps.astype(np.int64).astype(np.float64),
        }
        codes = pd.Categorical(flights["flight_phase"], categories=list(PHASES)).codes.astype(np.int64)
        self.phase = np.where(codes < 0, len(PHASES), codes).astype(np.uint8)
        self.edges = {name: edges(values) for name, values in self.measures.items()}
        self._bins = {name: bins(values, self.edges[name]) for name, values in self.measures.items()}

    def chosen(self, brushes: Brushes) -> Mask:
        """The rows that lie in every band and in the area; a row that lacks a brushed value is not chosen."""
        mask = np.ones(len(self.flights), bool)
        for name, (low, high) in brushes.bands:
            mask &= (self.measures[name] >= low) & (self.measures[name] <= high)
        if brushes.area is not None:
            west, south, east, north = brushes.area
            mask &= (self.longitude >= west) & (self.longitude <= east)
            mask &= (self.latitude >= south) & (self.latitude <= north)
        return mask

    def counts(self, measure: str, mask: Mask) -> npt.NDArray[np.int64]:
        """How many chosen rows each bin holds in each phase; the last column is rows without a phase. Shape (bins, phases + 1)."""
        of, width = self._bins[measure], len(PHASES) + 1
        kept = mask & (of >= 0)
        flat = of[kept] * width + self.phase[kept]
        return np.bincount(flat, minlength=width * (len(self.edges[measure]) - 1)).reshape(-1, width)


def edges(values: Floats) -> Floats:
    """The ends of `BINS` equal bins from the least to the greatest value; one bin of width 1 where all are equal or none is."""
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    return np.linspace(low, high, BINS + 1) if low < high else np.array([low - 0.5, low + 0.5])


def bins(values: Floats, ends: Floats) -> npt.NDArray[np.int64]:
    """The bin of each value, -1 where it is missing; the last bin has its upper end too."""
    place = np.searchsorted(ends, values, side="right") - 1
    return np.where(np.isnan(values), -1, np.minimum(place, len(ends) - 2)).astype(np.int64)
