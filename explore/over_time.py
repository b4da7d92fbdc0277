"""The figures over time: traffic, its rhythm, and the quality of the data. A stretch without any report stays a gap."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explore.style import LOOKS, SMALL_POINTS, Look, canvas, clock, dress, dress_bar, in_words, readable, shortened
from pipeline.tables import REASONS

STEPS_MINUTES = (1, 5, 15, 60, 360, 1440)
LEAST_A_STEP = 10
DAY = timedelta(days=1)
RHYTHM_COUNTRIES = 12
WIDE_COLUMNS, NARROW_COLUMNS = 60, 20
MAY_LACK = (
    "callsign",
    "origin_country",
    "longitude",
    "latitude",
    "velocity_kmh",
    "altitude_meters",
    "geo_altitude_meters",
    "vertical_rate",
    "true_track",
    "squawk",
)


def traffic(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """Position reports a minute, estimated from the weights, with two standard errors where they are a sample's."""
    if flights.empty:
        return in_words("There is no report here.", theme, narrow)
    table = per_minute(flights)
    look, figure, step = LOOKS[theme], canvas(theme, narrow), step_minutes(flights)
    ax = figure.subplots()
    known = table.dropna()
    sns.lineplot(
        known, x="at", y="reports", units="run", estimator=None, color=look.accent, linewidth=1.6, legend=False, ax=ax
    )
    for _, run in known.groupby("run"):
        ax.fill_between(run["at"], run["low"], run["high"], color=look.accent, alpha=0.2, linewidth=0)
        if len(run) == 1:
            ax.plot(run["at"], run["reports"], "o", color=look.accent, markersize=4)
    each = "" if step == 1 else f", mean of {step} minutes"
    sampled = bool(known["high"].gt(known["reports"]).any())
    dress(
        ax,
        look,
        "UTC\n(estimated from the sample; band: two standard errors)" if sampled else "UTC",
        f"reports a minute{each}",
    )
    ax.set_ylim(0, max(1.0, float(known["high"].max())) * 1.08)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    clock(ax)
    return figure


def per_minute(flights: pd.DataFrame) -> pd.DataFrame:
    """Reports a minute in each step: `at`, `reports`, `low`, `high`, and `run`, which counts the stretches without a gap.

    A step is a minute, or as many as it takes to have ten reports in it on average. A step without a report is NaN.
    """
    step = step_minutes(flights)
    at = flights["event_timestamp"].dt.floor(f"{step}min")
    weight = flights["weight"].max() if "weight" in flights else 1.0
    count = at.value_counts().sort_index()
    count = count.reindex(pd.date_range(at.min(), at.max(), freq=f"{step}min", tz="UTC"))
    reports = count * weight / step
    error = 2 * np.sqrt(count) * weight / step * (weight > 1)
    table = pd.DataFrame({"reports": reports, "low": (reports - error).clip(lower=0), "high": reports + error})
    table["run"] = count.isna().cumsum()
    return table.rename_axis("at").reset_index()


def step_minutes(flights: pd.DataFrame) -> int:
    """The shortest step in which the reports leave no gap by chance."""
    times = flights["event_timestamp"]
    minutes = max(1.0, (times.max() - times.min()) / timedelta(minutes=1))
    fit = [step for step in STEPS_MINUTES if len(flights) * step / minutes >= LEAST_A_STEP]
    return fit[0] if fit and minutes > LEAST_A_STEP else 1 if minutes <= LEAST_A_STEP else STEPS_MINUTES[-1]


def rhythm(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """Reports a minute of the busiest countries in each hour of the day, in percent of the country's own mean."""
    known = flights.dropna(subset=["origin_country"])
    if known.empty:
        return in_words("No report here has a country.", theme, narrow)
    rates = hourly_rates(known)
    mean = rates.mean(axis=1)
    table = rates.div(mean, axis=0) * 100
    look, figure = LOOKS[theme], canvas(theme, narrow)
    ax = figure.subplots()
    most = max(25.0, float(np.nanpercentile((table - 100).abs(), 98)))
    sns.heatmap(
        table,
        mask=table.isna(),
        cmap=look.signs,
        vmin=100 - most,
        vmax=100 + most,
        annot=len(table.columns) <= (6 if narrow else 24),
        fmt=".0f",
        annot_kws={"fontsize": SMALL_POINTS - 1},
        linewidths=0.5,
        linecolor=look.background,
        yticklabels=[f"{shortened(country, 16)}  {_rate(mean[country])}" for country in table.index],
        ax=ax,
    )
    readable(ax)
    words = "hour of the day, UTC\n(beside each country: its reports a minute)"
    dress(ax, look, words, grid="none").set_facecolor(look.gap)
    ax.tick_params(length=0, rotation=0)
    dress_bar(ax.collections[0].colorbar, look, "% of the country's own mean")
    return figure


def hourly_rates(known: pd.DataFrame) -> pd.DataFrame:
    """Reports a minute by country (busiest first) and hour: counts over the minutes of that hour in which anything was heard.

    Under a day the hours are those of the range in their order, else 0 to 23; an hour in which nothing was heard is NaN.
    """
    step = min(step_minutes(known), 60)
    weight = known["weight"].max() if "weight" in known else 1.0
    times = known["event_timestamp"]
    heard = pd.Series(times.dt.floor(f"{step}min").unique())
    minutes = heard.dt.hour.value_counts() * step
    busiest = known["origin_country"].value_counts().index[:RHYTHM_COUNTRIES]
    counts = known.groupby(["origin_country", times.dt.hour])["icao24"].count().unstack(fill_value=0)
    hours = list(range(24))
    if times.max() - times.min() < DAY:
        hours = list(dict.fromkeys(pd.date_range(times.min().floor("h"), times.max(), freq="h").hour))
    return (counts.loc[busiest] * weight / minutes).reindex(columns=hours)


def _rate(a_minute: float) -> str:
    return f"{a_minute:,.0f}/min" if a_minute >= 10 else f"{a_minute:,.1f}/min"


def quality(flights: pd.DataFrame, theme: str = "light", narrow: bool = False) -> Figure:
    """The share of reports that lack a value, and the share that is anomalous for each reason, over time."""
    if flights.empty:
        return in_words("There is no report here.", theme, narrow)
    step = _column_minutes(flights, NARROW_COLUMNS if narrow else WIDE_COLUMNS)
    lacking, flagged = missing_shares(flights, step), anomaly_shares(flights, step)
    look, figure = LOOKS[theme], canvas(theme, narrow)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(len(MAY_LACK), len(REASONS)))
    overall = flights[list(MAY_LACK)].isna().mean() * 100
    _strip(above, lacking, overall, "% that lack it", look)
    whole = _flags(flights).mean() * 100
    _strip(below, flagged, whole, "% anomalous", look)
    above.tick_params(labelbottom=False)
    marks = np.linspace(0, len(lacking) - 1, 4 if narrow else 8).astype(int)
    form = "%H:%M" if lacking.index[-1] - lacking.index[0] < DAY else "%m-%d %H:%M"
    below.set_xticks(marks + 0.5, [f"{lacking.index[mark]:{form}}" for mark in marks], rotation=0)
    below.set_xlabel(f"UTC, steps of {step} min (grey: no report)", color=look.ink, fontsize=SMALL_POINTS)
    return figure


def missing_shares(flights: pd.DataFrame, step: int) -> pd.DataFrame:
    """Percent of the reports of each `step` minutes that lack each column; NaN where there was no report."""
    return _shares(flights, flights[list(MAY_LACK)].isna(), step)


def anomaly_shares(flights: pd.DataFrame, step: int) -> pd.DataFrame:
    """Percent of the reports of each `step` minutes with each reason of an anomaly; NaN where there was no report."""
    return _shares(flights, _flags(flights), step)


def _flags(flights: pd.DataFrame) -> pd.DataFrame:
    found = flights["anomalies"].explode()
    return pd.DataFrame({one: (found == one).groupby(level=0).any() for one in REASONS}, flights.index)


def _shares(flights: pd.DataFrame, flags: pd.DataFrame, step: int) -> pd.DataFrame:
    at = flights["event_timestamp"].dt.floor(f"{step}min")
    shares: pd.DataFrame = flags.groupby(at).mean() * 100
    return shares.reindex(pd.date_range(at.min(), at.max(), freq=f"{step}min"))


def _column_minutes(flights: pd.DataFrame, most: int) -> int:
    """The shortest step that needs no more columns than `most`."""
    times = flights["event_timestamp"]
    minutes = (times.max() - times.min()) / timedelta(minutes=1)
    fit = [step for step in (*STEPS_MINUTES, 7 * 1440) if minutes / step <= most]
    return max(fit[0] if fit else 30 * 1440, step_minutes(flights))


def _strip(ax: Axes, shares: pd.DataFrame, overall: pd.Series[float], label: str, look: Look) -> None:
    sns.heatmap(
        shares.T,
        mask=shares.T.isna(),
        cmap=look.amounts,
        vmin=0,
        vmax=max(1.0, float(np.nanmax(shares.to_numpy()))),
        yticklabels=[f"{name}  {_percent(overall[name])}" for name in shares.columns],
        xticklabels=False,
        ax=ax,
    )
    dress(ax, look, grid="none").set_facecolor(look.gap)
    ax.tick_params(length=0, rotation=0)
    dress_bar(ax.collections[0].colorbar, look, label)


def _percent(share: float) -> str:
    return "none" if share == 0 else f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"
