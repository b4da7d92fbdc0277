"""The figures: functions from a DataFrame of Silver (or a sample of it) to a Matplotlib figure, drawn with Seaborn.

Never pyplot: it keeps state that threads share. `weight`, where the DataFrame has it, is how many rows of Silver a row stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from explore import agreement as model_agreement
from explore.over_time import quality, rhythm, traffic
from explore.sample import Sample
from explore.style import (
    LOOKS,
    SMALL_POINTS,
    TEXT_POINTS,
    Look,
    canvas,
    dress,
    dress_bar,
    framed,
    in_words,
    readable,
    shortened,
)
from pipeline.palette import PHASE_COLOURS
from pipeline.tables import PHASES

BIN_METERS = 500
MOST_COUNTRIES = 15
LEAST_FOR_CONTOURS = 30
CELLS, MARGIN_BINS = 32, 60
FEATURES = {
    "altitude_meters": "altitude",
    "velocity_kmh": "speed",
    "altitude_change": "altitude\nchange",
    "velocity_change": "speed\nchange",
    "rolling_avg_altitude": "rolling mean\naltitude",
    "rolling_std_altitude": "rolling std\naltitude",
    "rolling_avg_velocity": "rolling mean\nspeed",
}


@dataclass(frozen=True)
class Kind:
    """One figure to choose: its title, and the function (flights, theme, narrow) that draws it.

    `counted` is where its rows come from when they are not a sample of Silver.
    """

    title: str
    drawn: Callable[[pd.DataFrame, str, bool], Figure]
    counted: Callable[..., Sample] | None = None


def altitude_distribution(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """Reports in each 500 m of barometric altitude, with a kernel density estimate."""
    look, known = LOOKS[theme], flights.dropna(subset=["altitude_meters"])
    if known.empty:
        return in_words("No report here has an altitude.", theme, narrow)
    figure = canvas(theme, narrow)
    ax = figure.subplots()
    sns.histplot(
        known,
        x="altitude_meters",
        binwidth=BIN_METERS,
        binrange=_whole_bins(known["altitude_meters"]),
        kde=known["altitude_meters"].nunique() > 1,
        kde_kws={"bw_adjust": 0.5, "cut": 0},
        line_kws={"linewidth": 2},
        color=look.accent,
        edgecolor=look.background,
        ax=ax,
    )
    dress(ax, look, with_missing("barometric altitude in metres", flights, known), f"reports in each {BIN_METERS} m")
    _thousands(ax, narrow)
    return figure


def phase_shares(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """Each flight phase's share of the reports, as a ring."""
    known = flights.dropna(subset=["flight_phase"])
    if known.empty:
        return in_words("No report here has a flight phase.", theme, narrow)
    look, present = LOOKS[theme], _present(known)
    counts = [int((known["flight_phase"] == phase).sum()) for phase in present]
    shares = [count / len(known) for count in counts]
    figure = canvas(theme, narrow)
    ax = figure.subplots()
    wedges, *_ = ax.pie(
        counts,
        colors=[PHASE_COLOURS[phase] for phase in present],
        labels=[phase if share >= 0.03 else "" for phase, share in zip(present, shares, strict=True)],
        startangle=90,
        counterclock=False,
        wedgeprops={"width": 0.38, "edgecolor": look.background, "linewidth": 2},
        textprops={"color": look.ink, "fontsize": TEXT_POINTS},
    )
    ax.text(0, 0, f"{len(known):,}\nreports", ha="center", va="center", color=look.ink, fontsize=14)
    told = [f"{phase}  {share:.1%}  ({count:,})" for phase, share, count in zip(present, shares, counts, strict=True)]
    beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.15, 0.5)}
    below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.05)}
    place = below if narrow else beside
    ax.legend(wedges, told, frameon=False, labelcolor=look.ink, fontsize=TEXT_POINTS, **place)
    return figure


def country_speeds(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """Mean ground speed of the fifteen countries with most aircraft, with their aircraft; fastest first."""
    known = flights.dropna(subset=["velocity_kmh", "origin_country"])
    if known.empty:
        return in_words("No report here has a speed and a country.", theme, narrow)
    table = known.groupby("origin_country").agg(speed=("velocity_kmh", "mean"), aircraft=("icao24", "nunique"))
    table = table.sort_values(["aircraft", "speed"], ascending=False).head(MOST_COUNTRIES)
    table = table.sort_values("speed", ascending=False).reset_index()
    look, figure = LOOKS[theme], canvas(theme, narrow)
    ax = figure.subplots()
    sns.barplot(table, x="speed", y="origin_country", color=look.accent, saturation=1, errorbar=None, ax=ax)
    dress(ax, look, with_missing("mean ground speed in km/h", flights, known), grid="x")
    for place, (speed, aircraft) in enumerate(zip(table["speed"], table["aircraft"], strict=True)):
        words = f" {speed:,.0f} km/h · {aircraft:,} aircraft"
        ax.text(speed, place, words, va="center", color=look.ink, fontsize=SMALL_POINTS)
    ax.set_xlim(0, table["speed"].max() * (1.9 if narrow else 1.3))
    ax.locator_params(axis="x", nbins=4 if narrow else 8)
    ax.set_yticks(ax.get_yticks(), [shortened(name, 14 if narrow else 30) for name in table["origin_country"]])
    return figure


def correlations(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """Pearson's correlation of the seven features, over the rows that have both; a dash where there is none."""
    table = flights[list(FEATURES)].astype(float).corr(min_periods=2)
    if table.isna().all(axis=None):
        return in_words("No two features vary together here: too few reports.", theme, narrow)
    look, figure = LOOKS[theme], canvas(theme, narrow)
    ax = figure.subplots()
    names = list(FEATURES.values())
    sns.heatmap(
        table,
        vmin=-1,
        vmax=1,
        cmap=look.signs,
        annot=True,
        fmt=".2f",
        annot_kws={"fontsize": 7 if narrow else TEXT_POINTS},
        linewidths=1,
        linecolor=look.background,
        xticklabels=names,
        yticklabels=names,
        cbar=not narrow,
        ax=ax,
    )
    readable(ax)
    for row, column in np.argwhere(table.isna().to_numpy()):
        ax.text(column + 0.5, row + 0.5, "–", ha="center", va="center", color=look.ink, fontsize=TEXT_POINTS)
    dress(ax, look, grid="none").set_facecolor(look.gap)
    ax.tick_params(axis="x", rotation=90 if narrow else 0, length=0)
    ax.tick_params(axis="y", rotation=0, length=0)
    if not narrow:
        dress_bar(ax.collections[0].colorbar, look, "correlation")
    return figure


def altitude_against_speed(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """Joint density of altitude and speed of each phase: reports as points, contours of equal density, both margins."""
    known = flights.dropna(subset=["altitude_meters", "velocity_kmh", "flight_phase"])
    if known.empty:
        return in_words("No report here has both an altitude and a speed.", theme, narrow)
    look, figure = LOOKS[theme], canvas(theme, narrow)
    grid = figure.add_gridspec(2, 2, width_ratios=(5, 1), height_ratios=(1, 5))
    ax = figure.add_subplot(grid[1, 0])
    top, right = figure.add_subplot(grid[0, 0], sharex=ax), figure.add_subplot(grid[1, 1], sharey=ax)
    order = _present(known)
    beyond = _frame(ax, known, "velocity_kmh", "x") | _frame(ax, known, "altitude_meters", "y")
    inside = known[~beyond]
    colours = [to_rgba(PHASE_COLOURS[phase]) for phase in order]
    # Colours as numbers: 10,000 names of colours take longer to look up than all the rest.
    dots = np.array(colours)[pd.Categorical(inside["flight_phase"], order).codes]
    ax.scatter(inside["velocity_kmh"], inside["altitude_meters"], s=5, c=dots, alpha=0.35, linewidth=0)
    parts = [inside[inside["flight_phase"] == phase] for phase in order]
    for phase, part in zip(order, parts, strict=True):
        if len(part) >= LEAST_FOR_CONTOURS:
            _contours(ax, part, PHASE_COLOURS[phase])
    _margin(top.fill_between, [part["velocity_kmh"] for part in parts], colours)
    _margin(right.fill_betweenx, [part["altitude_meters"] for part in parts], colours)
    words = with_beyond("ground speed in km/h", int(beyond.sum()))
    dress(ax, look, with_missing(words, flights, known), "barometric altitude in metres", "both")
    top.set_axis_off()
    right.set_axis_off()
    _name_phases(ax, known, look)
    _thousands(ax, narrow)
    return figure


def _margin(fill: Callable[..., Any], values: list[pd.Series[float]], colours: list[Any]) -> None:
    """A stacked histogram of each phase's values; `fill` draws between two outlines, upright or lying."""
    ends = np.histogram_bin_edges(np.concatenate(values), MARGIN_BINS)
    below = np.zeros(MARGIN_BINS + 1)
    for part, colour in zip(values, colours, strict=True):
        above = below + np.append(np.histogram(part, ends)[0], 0)
        fill(ends, below, above, step="post", color=colour, linewidth=0)
        below = above


def _contours(ax: Axes, mine: pd.DataFrame, colour: str) -> None:
    """Contours of one phase's density, of Scott's bandwidth; 15, 43 and 72 % of it lie outside of them.

    The density is that of the reports put together in cells much narrower than the bandwidth: a tenth of the time, the same curves.
    """
    cells = summed_in_cells(mine)
    share = cells["reports"] / len(mine)
    # Fewer points with weights count as a wider scatter and as fewer reports: both are set right here.
    width = len(mine) ** (-1 / 6) * np.sqrt((1 - (share**2).sum()) / (1 - 1 / len(mine)))
    sns.kdeplot(
        cells, x="velocity_kmh", y="altitude_meters", weights="reports", bw_method=width, color=colour, levels=4,
        thresh=0.15, gridsize=50, linewidths=1.2, warn_singular=False, ax=ax,
    )  # fmt: skip


def summed_in_cells(mine: pd.DataFrame) -> pd.DataFrame:
    """Mean speed and altitude, and `reports`, in each cell of a grid of `CELLS` by `CELLS` that has any."""
    speeds, altitudes = mine["velocity_kmh"].to_numpy(float), mine["altitude_meters"].to_numpy(float)
    _, cell, reports = np.unique(
        _cell(speeds) * (CELLS + 1) + _cell(altitudes), return_inverse=True, return_counts=True
    )
    means = {
        "velocity_kmh": np.bincount(cell, speeds) / reports,
        "altitude_meters": np.bincount(cell, altitudes) / reports,
    }
    return pd.DataFrame(means | {"reports": reports})


def _cell(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    span = float(np.ptp(values)) or 1.0
    return np.asarray((values - values.min()) / span * CELLS, np.int64)


def vertical_rates(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """The reported vertical rate in each phase: its density, with median and quartiles."""
    known = flights.dropna(subset=["vertical_rate", "flight_phase"])
    if known.empty:
        return in_words("No report here has a vertical rate.", theme, narrow)
    look, figure = LOOKS[theme], canvas(theme, narrow)
    ax, order = figure.subplots(), _present(known)
    sns.violinplot(
        known,
        x="vertical_rate",
        y="flight_phase",
        order=order,
        hue="flight_phase",
        hue_order=order,
        palette=PHASE_COLOURS,
        saturation=1,
        legend=False,
        density_norm="width",
        gridsize=80,
        cut=0,
        inner="quart",
        inner_kws={"color": look.ink, "linewidth": 1},
        linecolor=look.line,
        linewidth=0.8,
        ax=ax,
    )
    words = with_beyond("reported vertical rate in m/s", int(_frame(ax, known, "vertical_rate", "x").sum()))
    dress(ax, look, with_missing(words, flights, known), grid="x")
    _mark_single_values(ax, known, order, look)
    counts = known["flight_phase"].value_counts()
    ax.set_yticks(range(len(order)), [f"{phase}\n{counts[phase]:,} reports" for phase in order])
    ax.axvline(0, color=look.quiet, linewidth=0.8, linestyle=(0, (3, 3)))
    return figure


FIGURES = {
    "altitude_distribution": Kind("Altitude distribution", altitude_distribution),
    "phase_shares": Kind("Flight phases", phase_shares),
    "country_speeds": Kind("Mean speed by country", country_speeds),
    "correlations": Kind("Correlation of the features", correlations),
    "traffic": Kind("Traffic over time", traffic),
    "altitude_against_speed": Kind("Altitude against speed, by phase", altitude_against_speed),
    "rhythm": Kind("Rhythm by hour and country", rhythm),
    "vertical_rates": Kind("Vertical rate by phase", vertical_rates),
    "quality": Kind("Missing values and anomalies over time", quality),
    "agreement": Kind("Model and rule: agreement over time", model_agreement.agreement, model_agreement.counted),
}


def drawn(name: str, sample: Sample, theme: str = "light", narrow: bool = False, caption: str = "") -> Figure:
    """A figure of a sample, with its title and caption; KeyError when there is no such figure."""
    kind = FIGURES[name]
    if sample.flights.empty and kind.counted is None:
        figure = in_words("There is no report in this range with these filters.", theme, narrow)
    else:
        figure = kind.drawn(sample.flights, theme, narrow)
    return framed(figure, kind.title, caption or caption_of(sample), theme, narrow)


def caption_of(sample: Sample) -> str:
    """How many of how many reports a figure is drawn from, of which time and filters, and of which version of the table."""
    taken = sample.of if "rows" in sample.flights else len(sample.flights)
    which = f"all {taken:,} reports" if taken == sample.of else f"{taken:,} of {sample.of:,} reports, a random sample"
    told = (which, period(sample.since, sample.until), ", ".join(sample.phases), ", ".join(sample.countries))
    return "; ".join([*filter(None, told), f"{sample.table} version {sample.version}"])


def period(since: datetime, until: datetime) -> str:
    """A range of time in UTC, each date named once."""
    end = f"{until:%H:%M}" if since.date() == until.date() else f"{until:%Y-%m-%d %H:%M}"
    return f"{since:%Y-%m-%d %H:%M} to {end} UTC"


def with_missing(label: str, flights: pd.DataFrame, known: pd.DataFrame) -> str:
    """An axis' label, with how many reports are left out because they lack the value."""
    left_out = len(flights) - len(known)
    return f"{label}\n({left_out:,} of {len(flights):,} reports lack it)" if left_out else label


def with_beyond(label: str, beyond: int) -> str:
    """An axis' label, with how many reports are outside what it shows."""
    return f"{label}; {beyond:,} outliers beyond the frame" if beyond else label


def _whole_bins(values: pd.Series[float]) -> tuple[float, float]:
    low = np.floor(values.min() / BIN_METERS) * BIN_METERS
    return low, max(low + BIN_METERS, np.ceil(values.max() / BIN_METERS) * BIN_METERS)


def _thousands(ax: Axes, narrow: bool) -> None:
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.locator_params(axis="x", nbins=4 if narrow else 10)


def _present(known: pd.DataFrame) -> list[str]:
    found = set(known["flight_phase"])
    return [phase for phase in PHASES if phase in found]


def _frame(ax: Axes, known: pd.DataFrame, column: str, axis: str) -> pd.Series[bool]:
    """Let an axis end where all but a thousandth of the values do; returns which are beyond it."""
    low, high = known[column].quantile([0.0005, 0.9995])
    room = 0.06 * (high - low) or 1.0
    low, high = low - room, high + room
    ax.set(**{f"{axis}lim": (low, high)})
    return ~known[column].between(low, high)


def _mark_single_values(ax: Axes, known: pd.DataFrame, order: list[str], look: Look) -> None:
    """A phase whose reports all have one value has no density: mark that value."""
    for place, phase in enumerate(order):
        values = known.loc[known["flight_phase"] == phase, "vertical_rate"]
        if values.nunique() == 1:
            ax.plot(values.iloc[0], place, "D", color=PHASE_COLOURS[phase], markersize=8)
            words = f"   all at {values.iloc[0]:g} m/s"
            ax.text(values.iloc[0], place, words, va="center", color=look.ink, fontsize=SMALL_POINTS)


def _name_phases(ax: Axes, known: pd.DataFrame, look: Look) -> None:
    """Name each phase in the lower right, where nothing flies, with a line to its medians."""
    middles = known.groupby("flight_phase")[["velocity_kmh", "altitude_meters"]].median().sort_values("altitude_meters")
    counts = known["flight_phase"].value_counts()
    for place, phase in enumerate(map(str, middles.index)):
        ax.annotate(
            f"{phase} {counts[phase]:,}",
            xy=tuple(middles.loc[phase]),
            xytext=(0.98, 0.05 + 0.1 * place),
            textcoords="axes fraction",
            ha="right",
            fontsize=SMALL_POINTS,
            color=look.ink,
            bbox={"facecolor": look.background, "edgecolor": PHASE_COLOURS[phase], "pad": 2},
            arrowprops={"arrowstyle": "-", "color": PHASE_COLOURS[phase]},
        )
