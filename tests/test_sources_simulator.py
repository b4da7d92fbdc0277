"""The simulated sky: consistent with itself and with physics, and as quirky as the real one."""

from __future__ import annotations

import math
import time
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from pipeline.sources import FIELDS
from pipeline.sources.registry import COUNTRIES
from pipeline.sources.simulator import Simulator, Sky

NOON = 1_790_078_400
AIRCRAFT = 1_500


@pytest.fixture(scope="module")
def sky() -> Sky:
    return Sky(AIRCRAFT, 7)


@pytest.fixture(scope="module")
def half_a_day() -> list[dict[str, Any]]:
    """What a large sky reports in twelve hours, once every half an hour: some 140,000 observations."""
    large = Sky(6_000, 11)
    return [named(state) for half_hour in range(24) for state in large.answer(NOON + 1_800 * half_hour).states]


def named(state: list[Any]) -> dict[str, Any]:
    return dict(zip(FIELDS, state, strict=True))


def by_address(sky: Sky, moment: int) -> dict[str, dict[str, Any]]:
    return {state[0]: named(state) for state in sky.answer(moment).states}


def metres(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Great-circle distance (haversine)."""
    south, north = math.radians(one["latitude"]), math.radians(other["latitude"])
    east = math.radians(other["longitude"] - one["longitude"])
    chord = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(east / 2) ** 2
    return 2 * 6_371_000 * math.asin(math.sqrt(chord))


def test_the_same_seed_and_second_give_the_same_sky(sky: Sky):
    assert Sky(AIRCRAFT, 7).answer(NOON) == sky.answer(NOON)


def test_another_seed_or_second_gives_another_sky(sky: Sky):
    assert Sky(AIRCRAFT, 8).answer(NOON).states != sky.answer(NOON).states
    assert sky.answer(NOON + 10).states != sky.answer(NOON).states


def test_a_restarted_feed_goes_on_with_the_sky_of_that_moment(sky: Sky):
    before = int(time.time())
    feed = Simulator(AIRCRAFT, 7, 10)
    waits: list[float] = []
    (answer,) = feed.answers(lambda seconds: waits.append(seconds) or True, lambda **_: None)
    assert before <= answer.time <= time.time()
    assert answer == sky.answer(answer.time)
    assert 0 < waits[0] <= 10


@pytest.mark.parametrize("aircraft", [50, 1_500, 12_000])
def test_about_as_many_aircraft_are_in_an_answer_as_were_asked_for(aircraft: int):
    small = Sky(aircraft, 3)
    found = [len(small.answer(NOON + 7_200 * hour).states) for hour in range(4)]
    assert 0.8 * aircraft < sum(found) / 4 < 1.2 * aircraft


def test_no_aircraft_is_twice_in_an_answer(sky: Sky):
    for moment in range(NOON, NOON + 600, 50):
        addresses = [state[0] for state in sky.answer(moment).states]
        assert len(set(addresses)) == len(addresses)


def test_last_contact_never_goes_back_and_is_five_minutes_old_at_most(sky: Sky):
    latest: dict[str, int] = {}
    for moment in range(NOON, NOON + 900, 5):
        for state in sky.answer(moment).states:
            assert moment - 300 <= state[4] <= moment
            assert state[4] >= latest.get(state[0], 0)
            latest[state[0]] = state[4]


def test_the_same_observation_is_answered_with_the_same_content(sky: Sky):
    first, repeats = {}, 0
    for moment in range(NOON, NOON + 300, 5):
        for state in sky.answer(moment).states:
            repeats += (state[0], state[4]) in first
            assert first.setdefault((state[0], state[4]), state) == state
    assert repeats > 1_000


def test_ages_of_observations_are_spread_as_in_the_real_sky(sky: Sky):
    ages = sorted(NOON - state[4] for state in sky.answer(NOON).states)
    assert ages[len(ages) // 2] <= 1
    assert ages[len(ages) * 92 // 100] > 20
    assert ages[-1] <= 300


def test_positions_are_as_old_as_the_contact_or_older(half_a_day):
    positioned = [one for one in half_a_day if one["time_position"] is not None]
    lags = Counter(one["last_contact"] - one["time_position"] for one in positioned)
    assert min(lags) == 0
    assert 0 < max(lags) < 10


def test_a_position_is_missing_with_its_time_or_not_at_all(half_a_day):
    for one in half_a_day:
        missing = [one[name] is None for name in ("time_position", "longitude", "latitude")]
        assert all(missing) or not any(missing)


def flown(sky: Sky, seconds: int) -> list[tuple[dict[str, Any], dict[str, Any], int]]:
    """Each aircraft at two moments, with the seconds between, where neither observation lacks anything or is a glitch."""
    pairs = []
    for begin in range(NOON, NOON + 3_600, 600):
        later = by_address(sky, begin + seconds)
        for address, one in by_address(sky, begin).items():
            other = later.get(address)
            if other and all(plain(two) for two in (one, other)) and other["last_contact"] > one["last_contact"]:
                pairs.append((one, other, other["last_contact"] - one["last_contact"]))
    return pairs


def plain(one: dict[str, Any]) -> bool:
    return (
        one["baro_altitude"] is not None
        and one["velocity"] is not None
        and one["time_position"] == one["last_contact"]
        and one["velocity"] < 400
        and abs(one["vertical_rate"]) < 50
        and abs(one["baro_altitude"] - one["geo_altitude"]) < 1_000
    )


def test_position_and_speed_agree_between_two_moments(sky: Sky):
    pairs = flown(sky, 10)
    assert len(pairs) > 3_000
    for one, other, seconds in pairs:
        slow, fast = sorted((one["velocity"], other["velocity"]))
        assert slow * seconds - 25 < metres(one, other) < fast * seconds + 25  # a position is told to 11 m


def test_altitude_and_vertical_rate_agree_between_two_moments(sky: Sky):
    pairs = flown(sky, 10)
    climbed = 0
    for one, other, seconds in pairs:
        sinking, rising = sorted((one["vertical_rate"], other["vertical_rate"]))
        change = other["baro_altitude"] - one["baro_altitude"]
        assert (sinking - 0.2) * seconds - 8 < change < (rising + 0.2) * seconds + 8  # altitudes are in steps of 7.62 m
        climbed += change > 50
    assert climbed > 100


def test_an_aircraft_flies_where_its_track_points(sky: Sky):
    checked = 0
    for one, other, _ in flown(sky, 10):
        if metres(one, other) > 1_500 and abs(one["latitude"]) < 70:
            north = other["latitude"] - one["latitude"]
            east = (other["longitude"] - one["longitude"] + 180) % 360 - 180
            course = math.degrees(math.atan2(east * math.cos(math.radians(one["latitude"])), north))
            assert abs((course - one["true_track"] + 180) % 360 - 180) < 2
            checked += 1
    assert checked > 1_000


def test_altitudes_and_vertical_rates_come_in_the_steps_of_a_transponder(half_a_day):
    for one in half_a_day:
        if one["baro_altitude"] is not None and one["baro_altitude"] != 28_560:
            assert abs(one["baro_altitude"] / 7.62 - round(one["baro_altitude"] / 7.62)) < 0.002
        if one["vertical_rate"] is not None and abs(one["vertical_rate"]) < 100:
            assert abs(one["vertical_rate"] / 0.32512 - round(one["vertical_rate"] / 0.32512)) < 0.02


def test_aircraft_on_the_ground_are_slow_and_do_not_climb(half_a_day):
    ground = [one for one in half_a_day if one["on_ground"] and one["velocity"] is not None and one["velocity"] != 95]
    assert max(one["velocity"] for one in ground if one["velocity"] < 1_000) <= 76
    rates = {one["vertical_rate"] for one in ground} - {None, 604.0, -450.0}
    assert rates <= {0.0}


def test_addresses_lie_in_the_block_of_their_country(half_a_day):
    block = {country.name: range(country.first, country.last + 1) for country in COUNTRIES}
    assert {one["origin_country"] for one in half_a_day} - block.keys() <= {""}
    for one in half_a_day:
        assert one["origin_country"] == "" or int(one["icao24"], 16) in block[one["origin_country"]]
        assert one["icao24"] == f"{int(one['icao24'], 16):06x}"


def test_blocks_of_countries_do_not_overlap():
    bounds = sorted((country.first, country.last) for country in COUNTRIES)
    assert all(before[1] < after[0] for before, after in pairwise(bounds))


def test_a_full_block_sends_the_rest_outside_of_any_country():
    crowded = Sky(60_000, 1).fleet
    assert len(set(crowded.icao24)) == crowded.count
    outside = [address for address, country in zip(crowded.icao24, crowded.country, strict=True) if country == ""]
    assert outside
    assert min(outside) >= "d00000"


def share(rows: list[dict[str, Any]], holds: Any) -> float:
    return sum(map(bool, map(holds, rows))) / len(rows)


def test_what_is_missing_is_missing_as_often_as_in_the_real_sky(half_a_day):
    ground = [one for one in half_a_day if one["on_ground"]]
    assert 0.05 < len(ground) / len(half_a_day) < 0.1
    assert 0.05 < share(half_a_day, lambda one: one["baro_altitude"] is None) < 0.12
    assert 0.95 < share(ground, lambda one: one["baro_altitude"] is None) < 1
    assert 0.01 < share(half_a_day, lambda one: one["longitude"] is None) < 0.018
    assert 0.3 < share(half_a_day, lambda one: one["squawk"] is None) < 0.47
    assert 0 < share(half_a_day, lambda one: one["velocity"] is None) < 0.01


def test_about_a_third_to_a_half_of_the_aircraft_are_of_the_united_states(half_a_day):
    assert 0.25 < share(half_a_day, lambda one: one["origin_country"] == "United States") < 0.57


def test_callsigns_are_padded_to_eight_and_some_are_odd(half_a_day):
    callsigns = {one["callsign"] for one in half_a_day}
    assert {"", "00000000", "TEST", "N 12AB"} <= callsigns
    assert all(len(one) == 8 for one in callsigns - {"", "TEST", "N 12AB"})


def test_squawks_are_four_octal_digits_and_emergencies_happen_in_the_air(half_a_day):
    squawks = Counter(one["squawk"] for one in half_a_day)
    assert all(len(one) == 4 and set(one) <= set("01234567") for one in squawks.keys() - {None})
    emergencies = [one for one in half_a_day if one["squawk"] in ("7500", "7600", "7700")]
    assert {one["squawk"] for one in emergencies} == {"7500", "7600", "7700"}
    assert len(emergencies) / len(half_a_day) < 0.005
    assert not any(one["on_ground"] for one in emergencies)


def test_an_emergency_lasts_for_more_than_two_observations():
    large, seen = Sky(6_000, 11), Counter()
    for moment in range(NOON, NOON + 600, 60):
        seen.update(state[0] for state in large.answer(moment).states if state[14] in ("7500", "7600", "7700"))
    assert max(seen.values()) > 2


def test_glitches_of_receivers_occur_and_are_rare(half_a_day):
    glitches = [
        lambda one: one["baro_altitude"] == 28_560,
        lambda one: one["velocity"] == 1_684,
        lambda one: one["vertical_rate"] in (604, -450),
        lambda one: one["geo_altitude"] is not None and abs(one["geo_altitude"] - one["baro_altitude"]) > 1_000,
    ]
    for glitch in glitches:
        assert 0 < share(half_a_day, glitch) < 0.001


def test_some_aircraft_fly_higher_than_the_limit_and_none_of_it_is_a_glitch(half_a_day):
    high = {one["icao24"] for one in half_a_day if 13_716 < (one["baro_altitude"] or 0) < 20_000}
    assert 1 <= len(high) < 60


def test_every_value_has_the_type_that_the_api_gives_it(half_a_day):
    kinds = {name: {type(one[name]) for one in half_a_day} for name in FIELDS}
    nothing = type(None)
    assert kinds["icao24"] == kinds["callsign"] == kinds["origin_country"] == {str}
    assert kinds["squawk"] == {str, nothing}
    assert kinds["time_position"] == {int, nothing}
    assert kinds["last_contact"] == kinds["position_source"] == kinds["category"] == {int}
    assert kinds["on_ground"] == kinds["spi"] == {bool}
    assert kinds["true_track"] == {float}
    assert kinds["sensors"] == {nothing}
    for name in ("longitude", "latitude", "baro_altitude", "velocity", "vertical_rate", "geo_altitude"):
        assert kinds[name] == {float, nothing}


def test_positions_and_tracks_are_on_the_globe(half_a_day):
    for one in half_a_day:
        assert one["longitude"] is None or (-180 <= one["longitude"] <= 180 and -90 <= one["latitude"] <= 90)
        assert 0 <= one["true_track"] <= 360


def test_a_box_holds_exactly_the_aircraft_that_are_in_it(sky: Sky):
    south, west, north, east = box = (45.0, 0.0, 55.0, 15.0)
    inside = [
        s for s in sky.answer(NOON).states if s[5] is not None and west <= s[5] <= east and south <= s[6] <= north
    ]
    assert len(inside) > 20
    assert sky.answer(NOON, box).states == inside
    assert sky.answer(NOON, (-80.0, -10.0, -75.0, -5.0)).states == []


def test_a_feed_answers_for_its_box_at_its_interval_until_it_is_told_to_stop():
    box, waits = (45.0, 0.0, 55.0, 15.0), []
    feed = Simulator(300, 7, 0.5, box)
    answers = list(feed.answers(lambda seconds: waits.append(seconds) or len(waits) == 3, lambda **_: None))
    assert len(answers) == 3
    assert answers[0].states == Sky(300, 7).answer(answers[0].time, box).states
    assert all(0 < seconds <= 0.5 for seconds in waits)
