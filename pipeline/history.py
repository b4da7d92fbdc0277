"""Each aircraft's history: what its previous observations say of the next one, however the data is cut into batches.

Aircraft are spread over a fixed number of buckets. A bucket's state is one array with a row an aircraft, and a batch is
one vectorised step over it: five previous altitudes and speeds, the rank, the last time in each phase.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.anomalies import EMERGENCY_SQUAWKS, Limits, reasons
from pipeline.tables import PHASES

SILENCE_SECONDS = 15 * 60
FORGET_SECONDS = 24 * 3600
BEFORE = 5

STEP = 15.0
TAKEOFF_RATE, CLIMB_RATE = 50 / STEP, 20 / STEP
TAKEOFF_CEILING, CRUISE_FLOOR = 3_000.0, 8_000.0
GROUND, TAKEOFF, CLIMB, CRUISE, DESCENT, TRANSITION = range(len(PHASES))

VERSION = b"contrail-history-1\n"
AIRCRAFT = np.dtype(
    [
        ("icao24", "<u4"),
        ("time", "<i8"),
        ("rank", "<i8"),
        ("altitude", "<f8", (BEFORE,)),
        ("velocity", "<f8", (BEFORE,)),
        ("in_phase", "<f8", (len(PHASES),)),
        ("anomalous", "<f8"),
        ("emergency", "?"),
    ]
)

State = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NOBODY: State = np.empty(0, AIRCRAFT)


def load(blob: bytes) -> State:
    """The state of a bucket from its bytes; ValueError when another version wrote them."""
    if not blob.startswith(VERSION):
        raise ValueError(f"unknown state version {blob[:20]!r}")
    return np.frombuffer(zlib.decompress(blob[len(VERSION) :]), AIRCRAFT)


def dump(state: State) -> bytes:
    """The state of a bucket as bytes."""
    return VERSION + zlib.compress(state.tobytes(), level=1)


def advance(state: State, flights: pd.DataFrame, limits: Limits, heard: float = np.inf) -> tuple[State, pd.DataFrame]:
    """Take a batch of one bucket; returns the next state and the new observations with their history.

    `flights` has the columns of `silver.flights` in any order of rows; the rows that come back are those newer than
    everything their aircraft reported before in Kafka's order, so a repeat is dropped wherever a batch is cut.

    `heard`: when Kafka got the newest of them (s since 1970). A report from after that makes nobody be forgotten.
    """
    flights = _new_rows(state, flights)
    if flights.empty:
        return state, flights.assign(**{name: pd.Series(dtype=float) for name in OUTPUTS})
    groups = _Groups.of(state, flights)
    rank = groups.rank()
    fresh = rank == 1  # no previous observation, or a silence that ended its history
    altitude, velocity = (flights[name].to_numpy(float) for name in ("altitude_meters", "velocity_kmh"))
    altitudes, velocities = groups.lags(altitude, "altitude", rank), groups.lags(velocity, "velocity", rank)
    previous = np.where(fresh, np.nan, groups.previous_time())
    on_ground = flights["on_ground"].to_numpy(float) == 1
    vertical_rate = flights["vertical_rate"].to_numpy(float)
    rate = climb_rate(vertical_rate, altitude - altitudes[1], groups.seconds - previous)
    phase = flight_phase(on_ground, rate, altitude)
    emergency = flights["squawk"].isin(EMERGENCY_SQUAWKS).to_numpy(bool) & ~on_ground
    twice = emergency & groups.shifted(emergency, "emergency") & ~fresh
    anomalous = reasons(
        limits, altitude, flights["geo_altitude_meters"].to_numpy(float), velocity, vertical_rate, twice
    )
    seen = [groups.last_time(phase == code, groups.known("in_phase")[:, code], fresh) for code in range(len(PHASES))]
    alarmed = groups.last_time(anomalous != 0, groups.known("anomalous"), fresh)
    history = {
        "previous_time": previous,
        "prev_altitude": altitudes[1],
        "prev_velocity": velocities[1],
        "altitude_change": altitude - altitudes[1],
        "velocity_change": velocity - velocities[1],
        "observation_rank": rank,
        "rolling_avg_altitude": mean(altitudes),
        "rolling_std_altitude": deviation(altitudes),
        "rolling_avg_velocity": mean(velocities),
        "phase": phase,
        "previous_phase_time": np.choose(phase, [before for before, _ in seen]),
        "anomaly_bits": anomalous,
        "previous_anomaly_time": alarmed[0],
    }
    after = groups.states(rank, altitudes, velocities, [upto for _, upto in seen], alarmed[1], emergency)
    return _remember(state, after, heard), flights.assign(**history)


OUTPUTS = (
    "previous_time",
    "prev_altitude",
    "prev_velocity",
    "altitude_change",
    "velocity_change",
    "observation_rank",
    "rolling_avg_altitude",
    "rolling_std_altitude",
    "rolling_avg_velocity",
    "phase",
    "previous_phase_time",
    "anomaly_bits",
    "previous_anomaly_time",
)


def climb_rate(vertical_rate: Floats, altitude_change: Floats, seconds: Floats) -> Floats:
    """Metres a second: as reported, else from the altitudes, else NaN."""
    return np.where(np.isnan(vertical_rate), altitude_change / seconds, vertical_rate)


def flight_phase(on_ground: Flags, rate: Floats, altitude: Floats) -> Ints:
    """The place in `PHASES` of each observation: the first rule that holds. A missing figure fulfils none."""
    rules = [
        on_ground,
        (rate > TAKEOFF_RATE) & (altitude < TAKEOFF_CEILING),
        rate > CLIMB_RATE,
        (np.abs(rate) <= CLIMB_RATE) & (altitude > CRUISE_FLOOR),
        rate < -CLIMB_RATE,
    ]
    return np.select(rules, range(len(rules)), TRANSITION).astype(np.int64)


def mean(lags: Floats) -> Floats:
    """Mean over the first axis without missing values, added in a fixed order; NaN where all are missing."""
    total, count = _sum(lags)
    found: Floats = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return found


def deviation(lags: Floats) -> Floats:
    """Standard deviation (n-1) over the first axis without missing values; NaN under two values."""
    squares, count = _sum((lags - mean(lags)) ** 2)
    variance: Floats = np.divide(squares, count - 1, out=np.full(len(count), np.nan), where=count > 1)
    return np.sqrt(variance)


def _sum(lags: Floats) -> tuple[Floats, Ints]:
    total, count = np.zeros(lags.shape[1]), np.zeros(lags.shape[1], np.int64)
    for lag in lags:
        present = ~np.isnan(lag)
        total += np.where(present, lag, 0.0)
        count += present
    return total, count


def _new_rows(state: State, flights: pd.DataFrame) -> pd.DataFrame:
    """The rows newer than all before them of the same aircraft, sorted by aircraft and time."""
    address = flights["address"].to_numpy(np.int64)
    order = np.lexsort((flights["offset"].to_numpy(), flights["partition"].to_numpy(), address))
    address, time = address[order], flights["time"].to_numpy(np.int64)[order]
    aircraft, first, group = _runs(address)
    known = np.searchsorted(state["icao24"], aircraft)
    latest = np.full(len(aircraft), -1, np.int64)
    if len(state):
        there = state["icao24"][np.minimum(known, len(state) - 1)] == aircraft
        latest[there] = state["time"][known[there]]
    # A running maximum for each aircraft in one pass: every group is lifted above the one before it.
    lift = group << 34
    before = np.empty_like(time)
    before[1:] = np.maximum.accumulate(time + lift)[:-1]
    before[first] = latest + (np.arange(len(first)) << 34)
    before = np.maximum(before, latest[group] + lift)
    new: pd.DataFrame = flights.iloc[order[time + lift > before]]
    return new


def _runs(values: Ints) -> tuple[Ints, Ints, Ints]:
    """Of a sorted array: its distinct values, where each begins, and the number of each element's run."""
    starts = np.empty(len(values), bool)
    starts[:1] = True
    starts[1:] = values[1:] != values[:-1]
    first = np.flatnonzero(starts)
    return values[first], first, np.cumsum(starts) - 1


@dataclass(frozen=True)
class _Groups:
    """A sorted batch and the aircraft in it, with what was known of each before (`known`, NaN and 0 for a new one)."""

    time: Ints
    group: Ints
    first: Ints
    before: State

    @classmethod
    def of(cls, state: State, flights: pd.DataFrame) -> _Groups:
        aircraft, first, group = _runs(flights["address"].to_numpy(np.int64))
        before = np.zeros(len(aircraft), AIRCRAFT)
        for name in ("altitude", "velocity", "in_phase", "anomalous"):
            before[name] = np.nan
        before["icao24"] = aircraft
        place = np.searchsorted(state["icao24"], aircraft)
        if len(state):
            there = state["icao24"][np.minimum(place, len(state) - 1)] == aircraft
            before[there] = state[place[there]]
        return cls(flights["time"].to_numpy(np.int64), group, first, before)

    @property
    def seconds(self) -> Floats:
        """Event time of each row, as a float that can be missing elsewhere."""
        return self.time.astype(float)

    def known(self, name: str) -> Floats:
        """What was known before the batch, of each aircraft."""
        known: Floats = self.before[name]
        return known

    def previous_time(self) -> Floats:
        """Event time of each row's previous observation; NaN where there never was one."""
        times = self.shifted(self.time, "time").astype(float)
        return np.where((self.shifted(np.ones(len(self.time), np.int64), "rank")) == 0, np.nan, times)

    def shifted(self, values: npt.NDArray[np.generic], known: str) -> npt.NDArray[np.generic]:
        """The value at the aircraft's previous row; the known one before its first row."""
        previous = np.empty_like(values)
        previous[1:] = values[:-1]
        previous[self.first] = self.before[known]
        return previous

    def rank(self) -> Ints:
        """1 for a first sighting and after a silence, counting on from there."""
        restarts = ~(self.time - self.previous_time() <= SILENCE_SECONDS)
        row = np.arange(len(self.time))
        begun = np.maximum.accumulate(np.where(restarts, row, -1))
        begun = np.where(begun < self.first[self.group], -1, begun)
        continued = self.before["rank"][self.group] + row - self.first[self.group] + 1
        return np.where(begun >= 0, row - begun + 1, continued)

    def lags(self, values: Floats, known: str, rank: Ints) -> Floats:
        """Row 0 the values, row k those k observations earlier in the same history; NaN where there is none."""
        count = len(self.first)
        place = np.arange(len(values)) + BEFORE * (self.group + 1)
        line = np.empty(len(values) + BEFORE * count)
        line[place] = values
        line[(self.first + BEFORE * np.arange(count))[:, None] + np.arange(BEFORE)] = self.before[known]
        return np.stack([np.where(rank > back, line[place - back], np.nan) for back in range(BEFORE + 1)])

    def last_time(self, holds: Flags, known: Floats, fresh: Flags) -> tuple[Floats, Floats]:
        """When something held last in the same history: before each row, and up to it. NaN for never."""
        lift = self.group.astype(float) * 2.0**34
        begun = np.maximum.accumulate(np.where(fresh, np.arange(len(fresh)), -1))
        old = begun < self.first[self.group]
        upto = np.maximum.accumulate(np.where(holds, self.time + lift, lift - 1))
        floor = np.where(old, lift, self.time[begun] + lift)
        here = upto >= floor
        time = np.where(here, upto - lift, np.where(old, known[self.group], np.nan))
        before = np.empty_like(time)
        before[1:] = time[:-1]
        before[self.first] = known
        return np.where(fresh, np.nan, before), time

    def states(
        self,
        rank: Ints,
        altitudes: Floats,
        velocities: Floats,
        in_phase: list[Floats],
        anomalous: Floats,
        emergency: Flags,
    ) -> State:
        """What is known of each aircraft after the batch."""
        last = np.append(self.first[1:], len(self.time)) - 1
        after = self.before.copy()
        after["time"], after["rank"] = self.time[last], rank[last]
        for name, lags in (("altitude", altitudes), ("velocity", velocities)):
            after[name] = lags[BEFORE - 1 :: -1, last].T
        after["in_phase"] = np.stack(in_phase, axis=1)[last]
        after["anomalous"], after["emergency"] = anomalous[last], emergency[last]
        return after


def _remember(state: State, after: State, heard: float) -> State:
    """The bucket's next state: sorted by address, without those not heard of for a day."""
    kept = state[~np.isin(state["icao24"], after["icao24"], assume_unique=True)]
    merged = np.concatenate([kept, after])
    merged = merged[np.argsort(merged["icao24"])]
    state = merged[merged["time"] >= min(float(merged["time"].max()), heard) - FORGET_SECONDS]
    return state
