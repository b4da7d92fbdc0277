"""A simulated sky, labelled as such: aircraft that fly between real airports, with the quirks of the real data.

The sky is a function of the seed and the time alone. So a restarted feed goes on where the aircraft would be by now, and
any moment can be computed again by a test. Each aircraft flies to and fro between two airports along the great circle, its
speed piecewise linear in time, so that position, speed, altitude and vertical rate agree with one another.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from typing import Any

import airportsdata
import numpy as np
import numpy.typing as npt

from pipeline.sources import Answer, Report, Wait
from pipeline.sources.registry import COUNTRIES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EARTH_M = 6_371_000.0
FOOT_M = 0.3048
ALTITUDE_STEP_M, RATE_STEP_MS = 25 * FOOT_M, 0.32512
TAXI_MS, ROTATE_MS, LAND_MS = 8.0, 75.0, 70.0
HELD_SECONDS = 300
SLOT_SECONDS = 40

# Shares of what the real data shows (observations, unless aircraft are named).
WELL_COVERED, POORLY_COVERED = 0.02, 0.72
NO_ALTITUDE, NO_ALTITUDE_ON_GROUND, NO_POSITION = 0.01, 0.975, 0.012
AIRCRAFT_WITHOUT_SQUAWK, AIRCRAFT_ODDLY_NAMED, AIRCRAFT_HIGH_FLYING = 0.35, 0.03, 0.0015
EMERGENCY_LEGS, GLITCH = 0.005, 1 / 40_000
ODD_CALLSIGNS = ("", "00000000", "TEST", "N 12AB")


class Simulator:
    """A feed of a simulated sky of about `aircraft` aircraft, an answer every `interval` seconds of wall-clock time."""

    name = "simulator"

    def __init__(
        self, aircraft: int, seed: int, interval: float, box: tuple[float, float, float, float] | None = None
    ) -> None:
        self.sky = Sky(aircraft, seed)
        self.interval = interval
        self.box = box

    def answers(self, wait: Wait, report: Report) -> Iterator[Answer]:
        """An answer at every multiple of the interval."""
        while True:
            now = clock.time()
            yield self.sky.answer(int(now), self.box)
            if wait(self.interval - clock.time() % self.interval):
                return


class Sky:
    """The fleet; `answer(time)` is what the API would say at that second."""

    def __init__(self, aircraft: int, seed: int) -> None:
        self._seed = np.uint64(seed)
        rng = np.random.default_rng(seed)
        # Aircraft at the gate are not heard: so many more are needed that about `aircraft` are in an answer.
        trial = _Fleet(np.random.default_rng(seed), 2_000)
        share = np.mean(trial.busy / trial.period)
        self.fleet = _Fleet(rng, max(1, round(aircraft / share)))

    def answer(self, time: int, box: tuple[float, float, float, float] | None = None) -> Answer:
        """The state vectors that are known at `time` (s since 1970), of those in `box` (deg: south, west, north, east)."""
        fleet = self.fleet
        contact, heard = self._contact(time)
        leg, moment = self._leg(contact)
        seen = np.flatnonzero(heard & (moment < fleet.busy))
        columns = self._columns(seen, contact[seen], leg[seen], moment[seen])
        states = [list(row) for row in zip(*columns, strict=True)]
        if box is not None:
            south, west, north, east = box
            inside = [s[5] is not None and west <= s[5] <= east and south <= s[6] <= north for s in states]
            states = [state for state, keep in zip(states, inside, strict=True) if keep]
        return Answer(time, states)

    def _contact(self, time: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """When each aircraft was heard last, and whether that is recent enough to be in an answer."""
        who = np.arange(self.fleet.count)
        slot = (time - self.fleet.delay) // SLOT_SECONDS
        contact = np.full(self.fleet.count, -1, np.int64)
        for back in range(HELD_SECONDS // SLOT_SECONDS + 1):
            covered = self._chance(who, slot - back, 1) > self.fleet.coverage
            end = np.minimum(time - self.fleet.delay, (slot - back + 1) * SLOT_SECONDS - 1)
            contact = np.where((contact < 0) & covered, end, contact)
        return contact, contact >= time - HELD_SECONDS

    def _leg(self, contact: Ints) -> tuple[Ints, Floats]:
        """The number of the leg each aircraft is on, and how many seconds ago it began."""
        shifted = contact + self.fleet.offset
        return np.floor_divide(shifted, self.fleet.period).astype(np.int64), np.mod(shifted, self.fleet.period)

    def _columns(self, seen: Ints, contact: Ints, leg: Ints, moment: Floats) -> list[list[Any]]:
        fleet = self.fleet

        def chance(salt: int) -> Floats:
            return self._chance(seen, contact, salt)

        _, speed, altitude, rate = fleet.motion(seen, moment, leg)
        lag = np.where(chance(2) < 0.05, np.minimum(9, np.floor(moment)), 0).astype(np.int64)
        longitude, latitude, track = fleet.place(seen, moment - lag, leg)
        on_ground = moment < fleet.nodes[seen, 3]
        on_ground |= moment > fleet.nodes[seen, 7]
        baro = np.round((altitude + fleet.pressure[seen]) / ALTITUDE_STEP_M) * ALTITUDE_STEP_M
        geo = np.round(altitude / ALTITUDE_STEP_M) * ALTITUDE_STEP_M
        rate = np.round(rate / RATE_STEP_MS) * RATE_STEP_MS
        # Receivers and transponders err: a spike, a jump, a speed that no aircraft has.
        baro = np.where(chance(3) < GLITCH, 28_560.0, baro)
        geo = np.where(chance(4) < GLITCH, baro - 21_618.0, geo)
        speed = np.where(chance(5) < GLITCH, 1_684.0, speed)
        rate = np.where(chance(6) < GLITCH, np.where(chance(7) < 0.5, 604.0, -450.0), rate)
        speed = np.where(on_ground & (chance(8) < GLITCH), 95.0, speed)
        no_altitude = chance(9) < np.where(on_ground, NO_ALTITUDE_ON_GROUND, NO_ALTITUDE)
        no_position = chance(10) < NO_POSITION
        return [
            fleet.icao24[seen].tolist(),
            fleet.callsign[seen].tolist(),
            fleet.country[seen].tolist(),
            _but(contact - lag, no_position),
            contact.tolist(),
            _but(np.round(longitude, 4), no_position),
            _but(np.round(latitude, 4), no_position),
            _but(np.round(baro, 2), no_altitude),
            on_ground.tolist(),
            _but(np.round(speed, 2), chance(11) < 0.002),
            np.round(track, 2).tolist(),
            _but(np.round(rate, 2), no_altitude),
            [None] * len(seen),
            _but(np.round(geo, 2), no_altitude),
            self._squawk(seen, leg, moment).tolist(),
            [False] * len(seen),
            np.where(fleet.coverage[seen] == POORLY_COVERED, 2, 0).tolist(),
            fleet.category[seen].tolist(),
        ]

    def _squawk(self, seen: Ints, leg: Ints, moment: Floats) -> npt.NDArray[np.object_]:
        """The transponder code of each; on a few legs an emergency for a quarter of an hour in mid-flight."""
        emergency = self._chance(seen, leg, 20) < EMERGENCY_LEGS
        start = self.fleet.nodes[seen, 4]
        emergency &= (moment > start) & (moment < start + 900)
        code = np.array(["7700", "7700", "7600", "7500"], object)[(self._chance(seen, leg, 21) * 4).astype(int)]
        squawk: npt.NDArray[np.object_] = np.where(emergency, code, self.fleet.squawk[seen])
        return squawk

    def _chance(self, who: Ints, when: Ints, salt: int) -> Floats:
        """A number in [0, 1) for each (aircraft, time, salt): splitmix64's finalizer on their mixture."""
        with np.errstate(over="ignore"):
            mixed = who.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            mixed += when.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03) + self._seed * np.uint64(0x2545F4914F6CDD1D)
            mixed += np.uint64(salt) * np.uint64(0x8CB92BA72F3D8DD7)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / np.float64(1 << 53)


def _but(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> list[Any]:
    """The values as a list, None where missing."""
    held = values.astype(object)
    held[missing] = None
    return list(held.tolist())


class _Fleet:
    """What stays the same of each aircraft: identity, route, and the nodes of its leg.

    `nodes` are seconds since a leg's start, shape (n, 10): taxi, line-up, roll, lift-off, mid-climb, top of climb, top of
    descent, touch-down, end of roll-out, gate; between them speed and altitude run linearly.
    """

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.count = count
        weights = np.array([country.weight for country in COUNTRIES])
        home = rng.choice(len(COUNTRIES), count, p=weights / weights.sum())
        self._identity(rng, home)
        start, end = self._route(rng, home)
        self._profile(rng, start, end)
        self.coverage = np.where(rng.random(count) < 0.76, WELL_COVERED, POORLY_COVERED)
        self.delay = rng.integers(0, 2, count)
        self.pressure = rng.normal(0, 60, count)
        self.offset = np.floor(rng.random(count) * self.period * 2)

    def _identity(self, rng: np.random.Generator, home: Ints) -> None:
        count = self.count
        first, last = (np.array([getattr(country, end) for country in COUNTRIES]) for end in ("first", "last"))
        address = first[home] + (rng.random(count) * (last - first + 1)[home]).astype(np.int64)
        for _ in range(50):  # no address twice: those that clash move on within their block
            _, kept = np.unique(address, return_index=True)
            clash = np.setdiff1d(np.arange(count), kept)
            address[clash] = first[home[clash]] + (rng.random(len(clash)) * (last - first + 1)[home[clash]]).astype(
                np.int64
            )
        _, kept = np.unique(address, return_index=True)
        clash = np.setdiff1d(np.arange(count), kept)
        address[clash] = 0xD00000 + np.arange(len(clash))  # a full block: outside of any
        self.icao24 = np.array([f"{one:06x}" for one in address], object)
        country = np.array([COUNTRIES[one].name for one in home], object)
        country[clash] = ""
        self.country = country
        airline = [
            COUNTRIES[one].airlines[pick % len(COUNTRIES[one].airlines)]
            for one, pick in zip(home, rng.integers(0, 99, count), strict=True)
        ]
        names = [f"{code}{number}".ljust(8) for code, number in zip(airline, rng.integers(1, 9999, count), strict=True)]
        odd = rng.random(count) < AIRCRAFT_ODDLY_NAMED
        self.callsign = np.where(
            odd, np.array(ODD_CALLSIGNS, object)[rng.integers(0, len(ODD_CALLSIGNS), count)], names
        )
        code = [f"{one:04o}" for one in rng.integers(0o1000, 0o7000, count)]
        self.squawk = np.array(code, object)
        self.squawk[rng.random(count) < AIRCRAFT_WITHOUT_SQUAWK] = None
        self.category = rng.choice([0, 2, 3, 4, 6], count, p=[0.25, 0.08, 0.12, 0.45, 0.1])

    def _route(self, rng: np.random.Generator, home: Ints) -> tuple[Ints, Ints]:
        """Indices of the two airports: one at home, the other nearer rather than farther."""
        known = airportsdata.load("IATA")
        codes = [code for country in COUNTRIES for code in country.airports]
        latitude, longitude = (np.radians([known[code][name] for code in codes]) for name in ("lat", "lon"))
        self._points = np.stack(
            [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], 1
        )
        self._elevation = np.array([known[code]["elevation"] for code in codes]) * FOOT_M
        places = np.cumsum([0, *(len(country.airports) for country in COUNTRIES)])
        start = places[home] + (rng.random(self.count) * (places[home + 1] - places[home])).astype(np.int64)
        distance = EARTH_M * np.arccos(np.clip(self._points @ self._points.T, -1, 1))
        pull = np.where((distance > 300_000) & (distance < 9_000_000), np.exp(-distance / 1_800_000), 0.0)
        reach = np.cumsum(pull, axis=1)
        draw = rng.random(self.count) * reach[start, -1]
        end = (reach[start] > draw[:, None]).argmax(axis=1)
        self._from, self._to = self._points[start], self._points[end]
        self._angle = distance[start, end] / EARTH_M
        return start, end

    def _profile(self, rng: np.random.Generator, start: Ints, end: Ints) -> None:
        count, distance = self.count, self._angle * EARTH_M
        cruise = rng.uniform(215, 250, count) - np.maximum(0, 900_000 - distance) / 20_000
        up, down = rng.uniform(9, 13, count), rng.uniform(6.5, 9, count)
        level = np.clip(7_000 + distance / 220, 6_000, 12_000) + rng.uniform(-600, 600, count)
        level = np.where(rng.random(count) < AIRCRAFT_HIGH_FLYING, 14_325.6, np.round(level / 304.8) * 304.8)
        low = np.maximum(self._elevation[start], self._elevation[end])
        # A short route is flown lower: climb and descent take at most four fifths of it.
        sloped = (ROTATE_MS + cruise) / 2 / up + (LAND_MS + cruise) / 2 / down
        level = low + np.minimum(level - low, 0.8 * distance / sloped)
        climb, descent = (level - self._elevation[start]) / up, (level - self._elevation[end]) / down
        taxi_out, taxi_in = rng.uniform(180, 500, count), rng.uniform(120, 300, count)
        before = [np.full(count, 10.0), taxi_out, np.full(count, 35.0), climb / 2, climb / 2]
        after = [descent, np.full(count, 35.0), taxi_in]
        zero = np.zeros(count)
        self.speeds = np.stack(
            [
                zero,
                zero + TAXI_MS,
                zero + TAXI_MS,
                zero + ROTATE_MS,
                (ROTATE_MS + cruise) / 2,
                cruise,
                cruise,
                zero + LAND_MS,
                zero + TAXI_MS,
                zero,
            ],
            1,
        )
        steps = np.stack([*before, zero, *after, np.full(count, 10.0)][:9], 1)
        covered = (steps * (self.speeds[:, 1:] + self.speeds[:, :-1]) / 2).sum(axis=1)
        steps[:, 5] = np.maximum(0, distance - covered) / cruise
        self.nodes = np.concatenate([zero[:, None], np.cumsum(steps, axis=1)], 1)
        self.travelled = np.concatenate(
            [zero[:, None], np.cumsum(steps * (self.speeds[:, 1:] + self.speeds[:, :-1]) / 2, axis=1)], 1
        )
        ground = (self._elevation[start], self._elevation[end])
        middle = ground[0] + 0.62 * (level - ground[0])
        self.heights = np.stack([ground[0]] * 4 + [middle, level, level] + [ground[1]] * 3, 1)
        # The way back is flown from the far end: there the climb starts at the other airport's height.
        middle = ground[1] + 0.62 * (level - ground[1])
        self.heights_back = np.stack([ground[1]] * 4 + [middle, level, level] + [ground[0]] * 3, 1)
        self.busy = self.nodes[:, -1]
        self.period = np.round(self.busy + rng.uniform(1_500, 4_500, count))

    def motion(self, who: Ints, moment: Floats, leg: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Metres travelled, speed (m/s), altitude (m) and vertical rate (m/s) at `moment` seconds into the leg."""
        nodes = self.nodes[who]
        place = np.clip((nodes <= moment[:, None]).sum(axis=1) - 1, 0, nodes.shape[1] - 2)
        row = np.arange(len(who))
        since, length = moment - nodes[row, place], np.maximum(nodes[row, place + 1] - nodes[row, place], 1e-9)
        speeds = self.speeds[who]
        heights = np.where((leg % 2 == 0)[:, None], self.heights[who], self.heights_back[who])
        push = (speeds[row, place + 1] - speeds[row, place]) / length
        slope = (heights[row, place + 1] - heights[row, place]) / length
        travelled = self.travelled[who][row, place] + since * (speeds[row, place] + push * since / 2)
        return travelled, speeds[row, place] + push * since, heights[row, place] + slope * since, slope

    def place(self, who: Ints, moment: Floats, leg: Ints) -> tuple[Floats, Floats, Floats]:
        """Longitude, latitude and track (deg) at `moment` seconds into the leg, on the great circle of the route."""
        travelled = self.motion(who, moment, leg)[0]
        outward = (leg % 2 == 0)[:, None]
        start, end = (
            np.where(outward, self._from[who], self._to[who]),
            np.where(outward, self._to[who], self._from[who]),
        )
        across = end - (start * end).sum(axis=1, keepdims=True) * start
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        angle = np.minimum(travelled / EARTH_M, self._angle[who])[:, None]
        point = np.cos(angle) * start + np.sin(angle) * across
        heading = np.cos(angle) * across - np.sin(angle) * start
        longitude, latitude = np.arctan2(point[:, 1], point[:, 0]), np.arcsin(np.clip(point[:, 2], -1, 1))
        north = heading[:, 2] / np.maximum(np.cos(latitude), 1e-9)
        east = -np.sin(longitude) * heading[:, 0] + np.cos(longitude) * heading[:, 1]
        return np.degrees(longitude), np.degrees(latitude), np.degrees(np.arctan2(east, north)) % 360
