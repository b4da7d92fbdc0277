"""The figures: what is drawn equals what one counts by hand, and what is missing is said."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Wedge
from matplotlib.path import Path as MplPath
from PIL import Image

from explore import figures, over_time
from explore.figures import FEATURES, FIGURES, caption_of, drawn
from explore.sample import COLUMNS, Sample, reach, taken
from explore.style import LOOKS, png, shortened
from pipeline.palette import PHASE_COLOURS
from pipeline.serving import Reader
from pipeline.tables import PHASES, REASONS, lake_of

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


@pytest.fixture(scope="module", params=["made", "simulated", "recorded"])
def sky(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Reports as made above, and samples of what the streams made of a simulated hour and of recorded flights."""
    if request.param == "made":
        return request.getfixturevalue("some")
    reader = Reader(lake_of(request.getfixturevalue("flown" if request.param == "simulated" else "recorded_flights")))
    found = reach(reader)
    assert found
    return taken(reader, found[0], found[1] + HOUR).flights


def lacking(frame: pd.DataFrame, known: pd.DataFrame) -> str:
    """What an axis says of the reports that are left out."""
    left_out = len(frame) - len(known)
    return f"({left_out:,} of {len(frame):,} reports lack it)" if left_out else ""


def density(values: np.ndarray, at: np.ndarray, width: float = 1.0) -> np.ndarray:
    """A Gaussian kernel density by its definition; its bandwidth is Scott's rule times `width`."""
    scale = width * len(values) ** -0.2 * values.std(ddof=1)
    return np.array([np.exp(-(((one - values) / scale) ** 2) / 2).sum() for one in at]) / (
        len(values) * scale * np.sqrt(2 * np.pi)
    )


def texts(figure: Figure) -> str:
    """All words of a figure: titles, labels, ticks, legends."""
    found = [*figure.texts, figure._suptitle, figure._supxlabel]
    for ax in figure.axes:
        found += [*ax.texts, ax.xaxis.label, ax.yaxis.label, *ax.get_yticklabels()]
        found += ax.get_legend().get_texts() if ax.get_legend() else []
    return "\n".join(text.get_text() for text in found if text)


# What is drawn


def test_a_bar_of_altitudes_is_as_high_as_there_are_reports_in_it(sky):
    ax = figures.altitude_distribution(sky).axes[0]
    known = sky["altitude_meters"].dropna()
    expected = Counter((known // 500 * 500).astype(int))
    bars = {round(bar.get_x()): bar.get_height() for bar in ax.patches if bar.get_height()}
    assert bars == dict(expected)
    assert len(ax.lines) == 1
    assert lacking(sky, known) in ax.get_xlabel()


def test_the_curve_over_the_bars_is_the_density_with_their_area(sky):
    (curve,) = figures.altitude_distribution(sky).axes[0].lines
    across, up = curve.get_data()
    known = sky["altitude_meters"].dropna().to_numpy(float)
    assert (across.min(), across.max()) == pytest.approx((known.min(), known.max()))
    assert np.asarray(up) == pytest.approx(500 * len(known) * density(known, np.asarray(across), 0.5), rel=1e-6)


def test_the_ring_has_each_phases_share_in_its_colour(sky):
    figure = figures.phase_shares(sky)
    wedges = [patch for patch in figure.axes[0].patches if isinstance(patch, Wedge)]
    counts, of = Counter(sky["flight_phase"]), len(sky)
    for wedge, phase in zip(wedges, [phase for phase in PHASES if counts[phase]], strict=True):
        assert (wedge.theta2 - wedge.theta1) % 360 == pytest.approx(360 * counts[phase] / of, abs=1e-3)
        assert wedge.get_facecolor() == to_rgba(PHASE_COLOURS[phase])
        assert f"{phase}  {counts[phase] / of:.1%}  ({counts[phase]:,})" in texts(figure)


def test_a_phase_without_reports_is_not_in_the_ring(some):
    figure = figures.phase_shares(some[some["flight_phase"] != "CRUISE"])
    assert len([patch for patch in figure.axes[0].patches if isinstance(patch, Wedge)]) == 5
    assert "CRUISE" not in texts(figure)


def test_a_countrys_bar_is_its_mean_speed_and_names_its_aircraft(sky):
    speeds: dict[str, list[float]] = {}
    aircraft: dict[str, set[str]] = {}
    for country, icao24, speed in sky[["origin_country", "icao24", "velocity_kmh"]].itertuples(index=False):
        if not np.isnan(speed):
            speeds.setdefault(country, []).append(speed)
            aircraft.setdefault(country, set()).add(icao24)
    most = sorted(aircraft, key=lambda country: (len(aircraft[country]), np.mean(speeds[country])), reverse=True)[:15]
    fastest = sorted(most, key=lambda country: -np.mean(speeds[country]))
    ax = figures.country_speeds(sky).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == fastest
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([np.mean(speeds[country]) for country in fastest])
    assert [text.get_text().split("· ")[1] for text in ax.texts] == [
        f"{len(aircraft[country])} aircraft" for country in fastest
    ]


def test_the_heat_map_has_pearsons_correlations_of_the_rows_that_have_both(sky):
    ax = figures.correlations(sky).axes[0]
    shown = np.asarray(ax.collections[0].get_array()).reshape(7, 7)
    for row, one in enumerate(FEATURES):
        for column, other in enumerate(FEATURES):
            both = sky[[one, other]].dropna() if one != other else sky[[one]].dropna().assign(again=lambda x: x)
            assert shown[row, column] == pytest.approx(np.corrcoef(both.to_numpy(float).T)[0, 1], abs=1e-9)
    assert [text.get_text() for text in ax.texts] == [f"{value:.2f}" for value in shown.ravel()]


def test_a_feature_that_never_varies_has_a_dash_and_no_correlation(some):
    ax = figures.correlations(some.assign(altitude_change=0.0, velocity_change=np.nan)).axes[0]
    shown = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert {place for place, word in shown.items() if word == "–"} == {
        (row, column) for row in range(7) for column in range(7) if {row, column} & {2, 3}
    }
    assert shown[0, 0] == "1.00"


def test_each_minute_has_its_reports(sky):
    ax = figures.FIGURES["traffic"].drawn(sky, "light", False).axes[0]
    weight = sky["weight"].iloc[0] if "weight" in sky else 1
    expected = {at: weight * count for at, count in Counter(sky["event_timestamp"].dt.floor("min")).items()}
    shown = {}
    for line in ax.lines:
        days, counts = line.get_data(orig=False)
        shown |= dict(zip(pd.to_datetime(np.round(np.asarray(days) * 1440), unit="m", utc=True), counts, strict=True))
    assert shown == pytest.approx(expected)
    assert len(shown) > 40


def test_a_gap_stays_a_gap(some):
    ax = figures.FIGURES["traffic"].drawn(some, "light", False).axes[0]
    assert [len(line.get_data()[0]) for line in ax.lines] == [20, 30]


def test_a_single_minute_stands_amid_ten_and_not_amid_years(some):
    first = some["event_timestamp"].min().floor("min")
    ax = figures.FIGURES["traffic"].drawn(some[some["event_timestamp"] < first + pd.Timedelta("1min")]).axes[0]
    assert np.subtract(*ax.get_xlim()[::-1]) * 1440 == pytest.approx(10)


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


def test_joint_density_shows_each_report_that_has_both_values(sky):
    ax, *margins = figures.altitude_against_speed(sky).axes
    known, inside = framed(sky, ax)
    points = map(tuple, np.asarray(ax.collections[0].get_offsets(), float))
    assert sorted(points) == sorted(inside.itertuples(index=False, name=None))
    beyond = len(known) - len(inside)
    assert beyond <= 0.004 * len(known) + 4
    assert (f"; {beyond:,} outliers beyond the frame" in ax.get_xlabel()) == bool(beyond)
    for phase, count in known["flight_phase"].value_counts().items():
        assert f"{phase} {count:,}" in texts(ax.figure)
    for axis, margin in enumerate(margins):
        values = inside.iloc[:, axis].to_numpy()
        ends = np.linspace(values.min(), values.max(), figures.MARGIN_BINS + 1)
        expected = [((values >= low) & (values < high)).sum() for low, high in pairwise([*ends[:-1], np.inf])]
        corners = np.concatenate([one.get_paths()[0].vertices for one in margin.collections])
        middles = (ends[:-1] + ends[1:]) / 2
        steps = [one.get_paths()[0] for one in margin.collections]
        assert [top(steps, middle, axis) for middle in middles] == expected
        assert corners[:, 1 - axis].max() == max(expected)
        assert sum(expected) == len(inside)


def top(steps: list[MplPath], at: float, axis: int) -> float:
    """The height of a stack of outlines made of steps: that of the highest flat part over a place."""
    heights = [0.0]
    for step in steps:
        for one, other in pairwise(np.asarray(step.vertices)):
            if one[1 - axis] == other[1 - axis] and min(one[axis], other[axis]) <= at <= max(one[axis], other[axis]):
                heights.append(float(one[1 - axis]))
    return max(heights)


def framed(sky: pd.DataFrame, ax: Axes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reports that have speed and altitude, and the speed and altitude of those within the frame."""
    known = sky.dropna(subset=["altitude_meters", "velocity_kmh"])
    inside = known["velocity_kmh"].between(*ax.get_xlim()) & known["altitude_meters"].between(*ax.get_ylim())
    return known, known.loc[inside, ["velocity_kmh", "altitude_meters"]]


def test_contours_are_of_equal_density_and_shut_out_the_share_that_they_stand_for(some):
    """Against the density of all single reports, by its definition; of reports that scatter wider than the figure's grid."""
    ax = figures.altitude_against_speed(some).axes[0]
    known, inside = framed(some, ax)
    judged = 0
    for contours in ax.collections[1:]:
        (phase,) = {
            one for one, colour in PHASE_COLOURS.items() if np.allclose(to_rgba(colour), contours.get_edgecolor()[0])
        }
        mine = inside[known.loc[inside.index, "flight_phase"] == phase].to_numpy(float)
        everywhere = joint_density(mine, grid_around(mine))
        for share, path in zip((0.15, 0.43, 0.72), contours.get_paths(), strict=False):
            on_line = joint_density(mine, path.vertices[:: max(1, len(path.vertices) // 50)])
            assert on_line.std() < 0.15 * on_line.mean(), phase
            outside = everywhere[everywhere < on_line.mean()].sum() / everywhere.sum()
            assert outside == pytest.approx(share, abs=0.05), phase
            judged += 1
    assert judged >= 3


def grid_around(rows: np.ndarray) -> np.ndarray:
    """Points evenly over the rows and three bandwidths more."""
    room = 3 * rows.std(axis=0) * len(rows) ** (-1 / 6)
    sides = np.linspace(rows.min(axis=0) - room, rows.max(axis=0) + room, 60).T
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)


def joint_density(rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A Gaussian kernel density of two values by its definition, of Scott's bandwidth and the rows' covariance."""
    spread = np.cov(rows.T) * len(rows) ** (-1 / 3)
    root = np.linalg.cholesky(np.linalg.inv(spread))
    rows, at = rows @ root, at @ root
    sums = np.array([np.exp(-((rows - one) ** 2).sum(axis=1) / 2).sum() for one in at])
    return sums / (len(rows) * 2 * np.pi * np.sqrt(np.linalg.det(spread)))


def test_a_countrys_rhythm_is_in_percent_of_its_own_mean():
    two_hours = pd.concat([flights(2_000, 2), flights(1_000, 3).assign(hour=1)], ignore_index=True)
    later = two_hours["hour"].eq(1)
    two_hours.loc[later, "event_timestamp"] += HOUR
    rates = over_time.hourly_rates(two_hours)
    assert list(rates.columns) == [12, 13]
    assert len(rates) == over_time.RHYTHM_COUNTRIES
    ax = over_time.rhythm(two_hours).axes[0]
    shown = np.asarray(ax.collections[0].get_array()).reshape(-1, 2)
    for row, country in enumerate(rates.index):
        mine = two_hours["origin_country"].eq(country)
        a_minute = np.array([(mine & ~later).sum() / 50, (mine & later).sum() / 50])
        assert rates.loc[country].to_numpy() == pytest.approx(a_minute)
        assert shown[row] == pytest.approx(100 * a_minute / a_minute.mean())


def test_the_rhythm_is_of_the_countries_with_most_reports(sky):
    ax = over_time.rhythm(sky).axes[0]
    counts = Counter(sky["origin_country"])
    names = {shortened(country, 16): country for country in counts}
    told = [names[label.get_text().split("  ")[0]] for label in ax.get_yticklabels()]
    assert [counts[one] for one in told] == sorted(counts.values(), reverse=True)[: over_time.RHYTHM_COUNTRIES]
    weight, step = sky["weight"].iloc[0] if "weight" in sky else 1, over_time.step_minutes(sky)
    heard = Counter(at.hour for at in set(sky["event_timestamp"].dt.floor(f"{step}min")))
    shown = np.ma.filled(ax.collections[0].get_array(), np.nan).reshape(len(told), -1)
    hours = sorted(heard)
    for row, country in enumerate(told):
        mine = Counter(sky.loc[sky["origin_country"] == country, "event_timestamp"].dt.hour)
        a_minute = np.array([weight * mine[hour] / (heard[hour] * step) for hour in hours])
        assert shown[row] == pytest.approx(100 * a_minute / a_minute.mean()), country


def test_an_hour_in_which_nothing_was_heard_is_missing_and_not_nought():
    frame = flights(500)
    rates = over_time.hourly_rates(
        pd.concat([frame, frame.assign(event_timestamp=frame["event_timestamp"] + 2 * HOUR)])
    )
    assert rates[13].isna().all()
    assert rates[[12, 14]].notna().all(axis=None)


def test_vertical_rates_have_each_phases_density_and_quartiles(sky):
    figure = figures.vertical_rates(sky)
    ax = figure.axes[0]
    known = sky.dropna(subset=["vertical_rate"])
    counts = Counter(known["flight_phase"])
    assert lacking(sky, known) in ax.get_xlabel()
    spread = [one for one in PHASES if known.loc[known["flight_phase"] == one, "vertical_rate"].nunique() > 1]
    present = [phase for phase in PHASES if counts[phase]]
    lines = [line.get_data(orig=False) for line in ax.lines[:-1]]  # the last one is the dashed one at nought
    for number, phase in enumerate(spread):
        assert f"{phase}\n{counts[phase]:,} reports" in texts(figure)
        values = known.loc[known["flight_phase"] == phase, "vertical_rate"].to_numpy(float)
        told = [across[0] for across, up in lines if round(np.mean(up)) == present.index(phase)]
        assert told == pytest.approx(np.percentile(values, [25, 50, 75])), phase
        shape = np.asarray(ax.collections[number].get_paths()[0].vertices)
        wide = np.abs(shape[:, 1] - present.index(phase))
        expected = density(values, shape[:, 0])
        assert wide / wide.max() == pytest.approx(expected / expected.max(), abs=0.02), phase
        assert to_rgba(PHASE_COLOURS[phase]) == pytest.approx(ax.collections[number].get_facecolor()[0])


def test_a_phase_of_one_single_value_is_marked(some):
    flat = some.assign(vertical_rate=some["vertical_rate"].where(some["flight_phase"] != "CRUISE", 0.0))
    assert "all at 0 m/s" in texts(figures.vertical_rates(flat))
    assert "all at" not in texts(figures.vertical_rates(some))


def test_shares_of_missing_values_and_anomalies_are_those_of_each_step(sky):
    figure = over_time.quality(sky)
    above, below = figure.axes[:2]
    minutes = int(re.search(r"steps of (\d+) min", below.get_xlabel())[1])
    starts = pd.date_range(
        sky["event_timestamp"].min().floor(f"{minutes}min"), sky["event_timestamp"].max(), freq=f"{minutes}min"
    )
    lacking, flagged = (np.ma.filled(ax.collections[0].get_array(), np.nan) for ax in (above, below))
    lacking, flagged = lacking.reshape(-1, len(starts)), flagged.reshape(-1, len(starts))
    for column, start in enumerate(starts):
        end = start + timedelta(minutes=minutes)
        rows = sky[sky["event_timestamp"].between(start, end, inclusive="left")].to_dict("records")
        if not rows:
            assert np.isnan([*lacking[:, column], *flagged[:, column]]).all()
            continue
        missing = [
            100 * sum(row[name] is None or row[name] != row[name] for row in rows) / len(rows)
            for name in over_time.MAY_LACK
        ]
        reasons = [100 * sum(one in row["anomalies"] for row in rows) / len(rows) for one in REASONS]
        assert lacking[:, column] == pytest.approx(missing)
        assert flagged[:, column] == pytest.approx(reasons)
    for one in REASONS:
        share = 100 * sum(one in reasons for reasons in sky["anomalies"]) / len(sky)
        assert f"{one}  {over_time._percent(share)}" in texts(figure)


def test_a_gap_in_the_quality_is_grey_and_a_reason_that_never_came_is_none(some):
    figure = over_time.quality(some)
    assert np.ma.getmaskarray(figure.axes[0].collections[0].get_array()).sum() == 10 * len(over_time.MAY_LACK)
    assert "emergency_squawk  none" in texts(figure)


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


@pytest.mark.parametrize("narrow", [False, True])
def test_a_picture_is_pixel_by_pixel_what_matplotlib_saves(narrow: bool, some):
    saved = io.BytesIO()
    drawn("altitude_distribution", sample(some), narrow=narrow).savefig(saved, format="png", dpi=80)
    ours = png(drawn("altitude_distribution", sample(some), narrow=narrow), 80)
    one, other = (np.asarray(Image.open(io.BytesIO(each)).convert("RGB")) for each in (saved.getvalue(), ours))
    assert np.array_equal(one, other)


def test_a_caption_tells_filters_and_when_all_reports_are_in_it(some):
    filtered = Sample(some, 3_000, NOON, NOON + 30 * HOUR, 7, ("Japan",), ("CRUISE", "CLIMB"))
    assert caption_of(filtered) == (
        "all 3,000 reports; 2026-01-01 12:00 to 2026-01-02 18:00 UTC; CRUISE, CLIMB; Japan; flights_ml version 7"
    )


@pytest.mark.parametrize("name", [name for name in NAMES if FIGURES[name].counted is None])
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
