"""The SQL explorations once more, by loops over the rows of Silver: name of the query -> the rows it has to give."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

SILENCE_SECONDS, MOVING = 900, 6


def country_statistics(flights: pd.DataFrame) -> pd.DataFrame:
    made = []
    for name, mine in flights.groupby(flights["origin_country"].fillna("")):
        grounded = mine["on_ground"].map(lambda one: one is True or one is np.True_)
        made.append(
            {
                "country": name or None,
                "aircraft": len(set(mine["icao24"])),
                "airborne_aircraft": len(set(mine.loc[~grounded, "icao24"])),
                "observations": len(mine),
                "mean_altitude_meters": mine["altitude_meters"].mean(),
                "highest_altitude_meters": mine["altitude_meters"].max(),
                "mean_speed_kmh": mine["velocity_kmh"].mean(),
                "highest_speed_kmh": mine["velocity_kmh"].max(),
                "anomalous_aircraft": len(set(mine.loc[mine["anomalies"].str.len() > 0, "icao24"])),
            }
        )
    return pd.DataFrame(sorted(made, key=lambda one: (-one["aircraft"], one["country"] is None, one["country"])))


def ground_and_air(flights: pd.DataFrame) -> pd.DataFrame:
    places = flights["on_ground"].map({True: "on the ground", False: "in the air"})
    made = []
    for name in ("in the air", "on the ground", None):
        mine = flights[places.isna() if name is None else places == name]
        if len(mine):
            made.append(
                {
                    "place": name,
                    "aircraft": len(set(mine["icao24"])),
                    "aircraft_percent": 100 * len(set(mine["icao24"])) / len(set(flights["icao24"])),
                    "observations": len(mine),
                    "observations_percent": 100 * len(mine) / len(flights),
                    "mean_speed_kmh": mine["velocity_kmh"].mean(),
                    "median_speed_kmh": mine["velocity_kmh"].median(),
                    "mean_altitude_meters": mine["altitude_meters"].mean(),
                    "observations_without_altitude": sum(map(math.isnan, mine["altitude_meters"])),
                    "observations_without_speed": sum(map(math.isnan, mine["velocity_kmh"])),
                }
            )
    return pd.DataFrame(made)


def altitude_bands(flights: pd.DataFrame) -> pd.DataFrame:
    band = [math.nan if math.isnan(one) else math.floor(one / 1000) * 1000 for one in flights["altitude_meters"]]
    made = []
    for low, mine in flights.groupby(pd.Series(band, flights.index), dropna=False):
        phases = list(mine["flight_phase"])
        made.append(
            {
                "from_meters": low,
                "to_meters": low + 1000,
                "aircraft": len(set(mine["icao24"])),
                "observations": len(mine),
                "observations_percent": 100 * len(mine) / len(flights),
                "mean_speed_kmh": mine["velocity_kmh"].mean(),
                "deviation_of_speed_kmh": mine["velocity_kmh"].std(),
                "climbing_percent": 100 * (phases.count("TAKEOFF") + phases.count("CLIMB")) / len(mine),
                "descending_percent": 100 * phases.count("DESCENT") / len(mine),
            }
        )
    return pd.DataFrame(made)


def steepest_moments(flights: pd.DataFrame) -> pd.DataFrame:
    made: list[dict[str, Any]] = []
    for _, mine in flights.sort_values("event_timestamp").groupby("icao24"):
        moments = sorted(
            _changes(mine.to_dict("records")), key=lambda one: (-abs(one["vertical_speed_ms"]), one["event_timestamp"])
        )
        made += [one | {"rank_of_aircraft": rank} for rank, one in enumerate(moments[:3], 1)]
    made.sort(key=lambda one: (-abs(one["vertical_speed_ms"]), one["icao24"], one["event_timestamp"]))
    return pd.DataFrame(made)


def _changes(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for place, (before, row) in enumerate(pairwise(rows), 1):
        # Whole seconds: `event_seconds` is cut to them.
        elapsed = int(row["event_timestamp"].timestamp()) - int(before["event_timestamp"].timestamp())
        climbed = row["altitude_meters"] - before["altitude_meters"]
        if elapsed <= SILENCE_SECONDS and not math.isnan(climbed):
            last = [one["altitude_meters"] for one in rows[max(0, place - MOVING + 1) : place + 1]]
            known = [one for one in last if not math.isnan(one)]
            yield {
                "icao24": row["icao24"],
                "callsign": row["callsign"],
                "country": row["origin_country"] or None,
                "event_timestamp": row["event_timestamp"],
                "flight_phase": row["flight_phase"],
                "altitude_meters": row["altitude_meters"],
                "previous_altitude_meters": before["altitude_meters"],
                "elapsed_seconds": elapsed,
                "vertical_speed_ms": climbed / elapsed,
                "moving_mean_altitude_meters": sum(known) / len(known),
            }


EXPECTED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "country_statistics": country_statistics,
    "ground_and_air": ground_and_air,
    "altitude_bands": altitude_bands,
    "steepest_moments": steepest_moments,
}
