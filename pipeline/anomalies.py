"""What counts as an anomaly: the limits, and the reasons of an observation as bits in the order of `tables.REASONS`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.tables import REASONS

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EMERGENCY_SQUAWKS = ("7500", "7600", "7700")


@dataclass(frozen=True)
class Limits:
    """Bounds in metres, km/h and m/s; `None` is not checked. Strictly beyond a bound is anomalous."""

    name: str
    altitude_high: float
    altitude_low: float
    speed_high: float
    speed_low: float | None
    vertical_rate: float | None
    altitude_mismatch: float | None
    emergency: bool

    def of(self, reason: str) -> float | None:
        """The bound of a reason; None where there is none to name or it is not checked."""
        return None if reason == "emergency_squawk" else getattr(self, reason)

    def checks(self, reason: str) -> bool:
        """Whether these limits look for a reason."""
        return self.emergency if reason == "emergency_squawk" else self.of(reason) is not None


# Expert: FL450, 325 m/s over ground, twice a steep climb, far beyond pressure deviation. Seed: the classical notebook's.
LIMITS = {
    "expert": Limits("expert", 13_716, -300, 1_170, None, 30, 1_000, emergency=True),
    "seed": Limits("seed", 12_000, -100, 1_000, 0, None, None, emergency=False),
}


def reasons(
    limits: Limits,
    altitude_meters: Floats,
    geo_altitude_meters: Floats,
    velocity_kmh: Floats,
    vertical_rate: Floats,
    emergency_twice: Flags,
) -> npt.NDArray[np.int64]:
    """Bits of the reasons of each observation (NaN is missing, and never anomalous); shape as the inputs."""
    found = {
        "altitude_high": altitude_meters > limits.altitude_high,
        "altitude_low": altitude_meters < limits.altitude_low,
        "speed_high": velocity_kmh > limits.speed_high,
        "speed_low": velocity_kmh < _or_nan(limits.speed_low),
        "vertical_rate": np.abs(vertical_rate) > _or_nan(limits.vertical_rate),
        "altitude_mismatch": np.abs(geo_altitude_meters - altitude_meters) > _or_nan(limits.altitude_mismatch),
        "emergency_squawk": emergency_twice & limits.emergency,
    }
    bits = np.zeros(len(altitude_meters), np.int64)
    for place, reason in enumerate(REASONS):
        bits |= found[reason].astype(np.int64) << place
    return bits


def _or_nan(bound: float | None) -> float:
    return np.nan if bound is None else bound
