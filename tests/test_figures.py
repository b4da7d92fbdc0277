"""The figures: what is drawn equals what one counts by hand, and what is missing is said."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Wedge

from explore import figures, over_time
from explore.figures import FEATURES, FIGURES, caption_of, drawn
from explore.sample import COLUMNS, Sample
from explore.style import LOOKS
from pipeline.palette import PHASE_COLOURS
from pipeline.tables import PHASES, REASONS

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
COUNTRIES = [f"Country {number:02}" for number in range(20)]
NAMES = list(FIGURES)


def flights(count: int = 3_000, seed: int = 1) -> pd.DataFrame:
    """Random reports of one hour, but for a gap of ten minutes; a tenth of the altitudes and speeds is missing."""
    random = np.random.default_rng(seed)
    minute = random.integers(0, 50, count)
    minute[minute >= 20] += 10
    frame = pd.DataFrame({name: pd.Series([None] * count, dtype=object) for name in COLUMNS})
    frame["event_timestamp"] = pd.Timestamp(NOON) + pd.to_timedelta(
        minute * 60 + random.integers(0, 60, count), unit="s"
    )
    frame["icao24"] = [f"{one:06x}" for one in random.integers(0, 200, count)]
    frame["origin_country"] = random.choice(COUNTRIES, count, p=np.arange(1, 21) / 210)
    frame["flight_phase"] = random.choice(PHASES, count)
    for name in FEATURES:
        frame[name] = random.normal(6_000, 2_000, count)
    frame["velocity_kmh"] += frame["altitude_meters"] / 2
    frame["vertical_rate"] = random.normal(0, 5, count)
    for name in ("altitude_meters", "velocity_kmh"):
        frame.loc[random.random(count) < 0.1, name] = np.nan
    frame["anomalies"] = [["altitude_high", "speed_high"] if one < 0.02 else [] for one in random.random(count)]
    frame["callsign"] = np.where(random.random(count) < 0.25, None, "ABC1")
    return frame.sort_values("event_timestamp", ignore_index=True)


def sample(frame: pd.DataFrame, of: int | None = None) -> Sample:
    return Sample(frame, len(frame) if of is None else of, NOON, NOON + HOUR, 42)


@pytest.fixture(scope="module")
def some() -> pd.DataFrame:
    return flights()


def texts(figure: Figure) -> str:
    """All words of a figure: titles, labels, ticks, legends."""
    found = [*figure.texts, figure._suptitle, figure._supxlabel]
    for ax in figure.axes:
        found += [*ax.texts, ax.xaxis.label, ax.yaxis.label, *ax.get_yticklabels()]
        found += ax.get_legend().get_texts() if ax.get_legend() else []
    return "\n".join(text.get_text() for text in found if text)


# What is drawn


def test_a_bar_of_altitudes_is_as_high_as_there_are_reports_in_it(some):
    ax = figures.altitude_distribution(some).axes[0]
    known = some["altitude_meters"].dropna()
    expected = Counter((known // 500 * 500).astype(int))
    bars = {round(bar.get_x()): bar.get_height() for bar in ax.patches if bar.get_height()}
    assert bars == dict(expected)
    assert len(ax.lines) == 1
    assert f"{len(some) - len(known):,} of 3,000 reports lack it" in ax.get_xlabel()


def test_the_density_over_the_bars_has_their_area(some):
    (curve,) = figures.altitude_distribution(some).axes[0].lines
    across, up = curve.get_data()
    assert np.trapezoid(up, across) == pytest.approx(500 * some["altitude_meters"].count(), rel=0.02)


def test_the_ring_has_each_phases_share_in_its_colour(some):
    figure = figures.phase_shares(some)
    wedges = [patch for patch in figure.axes[0].patches if isinstance(patch, Wedge)]
    counts = Counter(some["flight_phase"])
    for wedge, phase in zip(wedges, PHASES, strict=True):
        assert (wedge.theta2 - wedge.theta1) % 360 == pytest.approx(360 * counts[phase] / 3_000, abs=1e-3)
        assert wedge.get_facecolor() == to_rgba(PHASE_COLOURS[phase])
        assert f"{phase}  {counts[phase] / 3_000:.1%}  ({counts[phase]:,})" in texts(figure)


def test_a_phase_without_reports_is_not_in_the_ring(some):
    figure = figures.phase_shares(some[some["flight_phase"] != "CRUISE"])
    assert len([patch for patch in figure.axes[0].patches if isinstance(patch, Wedge)]) == 5
    assert "CRUISE" not in texts(figure)


def test_a_countrys_bar_is_its_mean_speed_and_names_its_aircraft(some):
    speeds: dict[str, list[float]] = {}
    aircraft: dict[str, set[str]] = {}
    for country, icao24, speed in some[["origin_country", "icao24", "velocity_kmh"]].itertuples(index=False):
        if not np.isnan(speed):
            speeds.setdefault(country, []).append(speed)
            aircraft.setdefault(country, set()).add(icao24)
    most = sorted(aircraft, key=lambda country: (len(aircraft[country]), np.mean(speeds[country])), reverse=True)[:15]
    fastest = sorted(most, key=lambda country: -np.mean(speeds[country]))
    ax = figures.country_speeds(some).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == fastest
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([np.mean(speeds[country]) for country in fastest])
    assert [text.get_text().split("· ")[1] for text in ax.texts] == [
        f"{len(aircraft[country])} aircraft" for country in fastest
    ]


def test_the_heat_map_has_pearsons_correlations_of_the_rows_that_have_both(some):
    ax = figures.correlations(some).axes[0]
    shown = np.asarray(ax.collections[0].get_array()).reshape(7, 7)
    for row, one in enumerate(FEATURES):
        for column, other in enumerate(FEATURES):
            both = some[[one, other]].dropna() if one != other else some[[one]].dropna().assign(again=lambda x: x)
            assert shown[row, column] == pytest.approx(np.corrcoef(both.to_numpy(float).T)[0, 1], abs=1e-9)
    assert [text.get_text() for text in ax.texts] == [f"{value:.2f}" for value in shown.ravel()]


def test_a_feature_that_never_varies_has_a_dash_and_no_correlation(some):
    ax = figures.correlations(some.assign(altitude_change=0.0, velocity_change=np.nan)).axes[0]
    shown = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert {place for place, word in shown.items() if word == "–"} == {
        (row, column) for row in range(7) for column in range(7) if {row, column} & {2, 3}
    }
    assert shown[0, 0] == "1.00"


def test_each_minute_has_its_reports_and_a_gap_stays_a_gap(some):
    ax = figures.FIGURES["traffic"].drawn(some, "light", False).axes[0]
    expected = Counter(some["event_timestamp"].dt.floor("min"))
    shown = {}
    for line in ax.lines:
        days, counts = line.get_data()
        shown |= dict(zip(pd.to_datetime(np.round(days * 1440), unit="m", utc=True), counts, strict=True))
        assert len(counts) in (20, 30)
    assert shown == dict(expected)
    assert len(ax.lines) == 2


def test_a_sample_of_a_tenth_counts_tenfold_with_its_error(some):
    table = over_time.per_minute(some.assign(weight=10.0)).dropna()
    counts = some["event_timestamp"].dt.floor("min").value_counts().sort_index().to_numpy()
    assert table["reports"].tolist() == (10.0 * counts).tolist()
    assert table["high"].to_numpy() - table["reports"].to_numpy() == pytest.approx(20 * np.sqrt(counts))
    whole = over_time.per_minute(some.assign(weight=1.0)).dropna()
    assert whole["low"].tolist() == whole["high"].tolist() == counts.tolist()


@pytest.mark.parametrize(("hours", "count", "step"), [(1, 3_000, 1), (10, 3_000, 5), (48, 3_000, 15), (0.05, 20, 1)])
def test_steps_are_long_enough_to_leave_no_gap_by_chance(hours: float, count: int, step: int):
    at = pd.Timestamp(NOON) + pd.to_timedelta(np.linspace(0, hours * 3600, count), unit="s")
    frame = pd.DataFrame({"event_timestamp": at})
    assert over_time.step_minutes(frame) == step
    assert over_time.per_minute(frame)["reports"].notna().all()


def test_joint_density_shows_each_report_that_has_both_values(some):
    ax = figures.altitude_against_speed(some).axes[0]
    known = some.dropna(subset=["altitude_meters", "velocity_kmh"])
    points = np.concatenate([np.asarray(part.get_offsets()) for part in ax.collections[:1]])
    beyond = int(ax.get_xlabel().split("; ")[1].split(" ")[0])
    assert len(points) == len(known) - beyond
    assert beyond <= 0.004 * len(known) + 4
    for phase, count in known["flight_phase"].value_counts().items():
        assert f"{phase} {count:,}" in texts(ax.figure)


def test_a_countrys_rhythm_is_in_percent_of_its_own_mean():
    two_hours = pd.concat([flights(2_000, 2), flights(1_000, 3).assign(hour=1)], ignore_index=True)
    later = two_hours["hour"].eq(1)
    two_hours.loc[later, "event_timestamp"] += HOUR
    rates = over_time.hourly_rates(two_hours)
    assert list(rates.columns) == [12, 13]
    assert len(rates) == over_time.RHYTHM_COUNTRIES
    for country in rates.index:
        mine = two_hours["origin_country"].eq(country)
        assert rates.loc[country, 12] == pytest.approx((mine & ~later).sum() / 50)
        assert rates.loc[country, 13] == pytest.approx((mine & later).sum() / 50)
    ax = over_time.rhythm(two_hours).axes[0]
    shown = np.asarray(ax.collections[0].get_array()).reshape(-1, 2)
    assert shown.mean(axis=1) == pytest.approx(np.full(len(rates), 100))


def test_an_hour_in_which_nothing_was_heard_is_missing_and_not_nought():
    frame = flights(500)
    rates = over_time.hourly_rates(
        pd.concat([frame, frame.assign(event_timestamp=frame["event_timestamp"] + 2 * HOUR)])
    )
    assert rates[13].isna().all()
    assert rates[[12, 14]].notna().all(axis=None)


def test_vertical_rates_name_each_phase_with_its_reports(some):
    figure = figures.vertical_rates(some)
    for phase, count in Counter(some["flight_phase"]).items():
        assert f"{phase}\n{count:,} reports" in texts(figure)


def test_a_phase_of_one_single_value_is_marked(some):
    flat = some.assign(vertical_rate=some["vertical_rate"].where(some["flight_phase"] != "CRUISE", 0.0))
    assert "all at 0 m/s" in texts(figures.vertical_rates(flat))
    assert "all at" not in texts(figures.vertical_rates(some))


def test_shares_of_missing_values_and_anomalies_are_those_of_each_step(some):
    lacking, flagged = over_time.missing_shares(some, 5), over_time.anomaly_shares(some, 5)
    for start in lacking.index:
        rows = some[some["event_timestamp"].between(start, start + timedelta(minutes=5), inclusive="left")]
        if rows.empty:
            assert lacking.loc[start].isna().all()
            assert flagged.loc[start].isna().all()
            continue
        missing = sum(value is None for value in rows["callsign"])
        high = sum("speed_high" in reasons for reasons in rows["anomalies"])
        assert lacking.loc[start, "callsign"] == pytest.approx(100 * missing / len(rows))
        assert flagged.loc[start, "speed_high"] == pytest.approx(100 * high / len(rows))
    assert lacking["callsign"].isna().sum() == 2
    assert list(flagged) == list(REASONS)
    assert "emergency_squawk  none" in texts(over_time.quality(some))


# What goes for all of them


@pytest.mark.parametrize("theme", LOOKS)
@pytest.mark.parametrize("name", NAMES)
def test_a_figure_says_its_title_and_of_how_many_reports_it_is(name: str, theme: str, some):
    figure = drawn(name, sample(some, 90_000), theme)
    words = texts(figure)
    assert FIGURES[name].title in words
    assert "3,000 of 90,000 reports, a random sample; 2026-01-01 12:00 to 13:00 UTC; flights_ml version 42" in words
    assert figure.get_facecolor() == to_rgba(LOOKS[theme].background)
    figure.canvas.draw()


def test_a_caption_tells_filters_and_when_all_reports_are_in_it(some):
    filtered = Sample(some, 3_000, NOON, NOON + 30 * HOUR, 7, ("Japan",), ("CRUISE", "CLIMB"))
    assert caption_of(filtered) == (
        "all 3,000 reports; 2026-01-01 12:00 to 2026-01-02 18:00 UTC; CRUISE, CLIMB; Japan; flights_ml version 7"
    )


@pytest.mark.parametrize("name", NAMES)
def test_without_reports_a_figure_says_so(name: str, some):
    words = texts(drawn(name, sample(some.iloc[:0]), narrow=True))
    assert "There is no report in this range with these filters." in words
    assert texts(FIGURES[name].drawn(some.iloc[:0], "dark", False)).strip()


@pytest.mark.parametrize("name", NAMES)
def test_reports_without_any_value_are_told_in_words_or_as_missing(name: str, some):
    bare = some.iloc[:50].copy()
    for column in set(COLUMNS) - {"event_timestamp", "icao24", "anomalies"}:
        bare[column] = None
    figure = drawn(name, sample(bare))
    figure.canvas.draw()
    words = texts(figure)
    assert "No " in words or name in ("traffic", "quality")
    if name == "quality":
        assert "vertical_rate  100 %" in words


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_very_few_reports_are_drawn_without_a_crash(name: str, count: int, some):
    drawn(name, sample(some.iloc[:count])).canvas.draw()


def test_colours_of_text_stand_out_from_their_background():
    for look in LOOKS.values():
        for colour in (look.ink, look.quiet):
            assert contrast(colour, look.background) >= 4.5


def test_numbers_on_a_heat_map_stand_out_from_their_cells(some):
    for theme in LOOKS:
        ax = figures.correlations(some, theme).axes[0]
        for text, cell in zip(ax.texts, ax.collections[0].get_facecolors(), strict=True):
            assert contrast(text.get_color(), cell) >= 4.5


def contrast(one, other) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour) -> float:
    parts = np.array(to_rgba(colour)[:3])
    return float(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))


def test_the_page_on_exploration_lists_each_figure_in_order():
    page = (Path(__file__).parents[1] / "docs" / "exploration.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == NAMES


def test_drawing_leaves_pyplot_without_figures():
    code = (
        "import sys; from tests.test_figures import flights, sample; from explore.figures import FIGURES, drawn\n"
        "for name in FIGURES: drawn(name, sample(flights(200)))\n"
        "print(len(sys.modules['matplotlib.pyplot'].get_fignums()) if 'matplotlib.pyplot' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
