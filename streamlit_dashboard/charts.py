"""The viewer's pictures: what there is of a view, as Plotly figures. A gap in the data is a gap in the picture."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pandas as pd
import plotly.graph_objects as go

from pipeline import alert_words, alerting
from pipeline.palette import ANOMALY, PHASE_COLOURS
from pipeline.serving import MINUTE
from pipeline.tables import PHASES
from streamlit_dashboard.view import View

SOLID, PALE = 0.9, 0.35
HEIGHT = 320
ROOM = 1.9  # beside the longest bar, for its words
UNSAMPLED = "not sampled"


def drawn(view: View, back: timedelta) -> dict[str, go.Figure]:
    """All pictures of a view, by name; one that would be empty is not there."""
    figures = {"stacked": stacked(view.within(back))}
    if view.headline is not None:
        aircraft = view.minutes.loc[[pd.Timestamp(view.headline.window_start)]].iloc[0]
        figures |= {"pie": pie(aircraft), "bars": bars(aircraft)}
    if not view.top.empty:
        figures["ten"] = ten(view.top)
    if (view.cells["anomaly_rate"] > 0).any():
        figures["heat"] = heat(view.cells, view.windows)
    return figures


def pie(aircraft: pd.Series) -> go.Figure:
    """Shares of the phases in one minute."""
    colours = [PHASE_COLOURS[phase] for phase in PHASES]
    names = [phase.title() for phase in PHASES]
    ring = go.Pie(labels=names, values=aircraft[list(PHASES)], hole=0.55, sort=False, marker={"colors": colours})
    return _plain(
        go.Figure(ring.update(textinfo="percent", hovertemplate="%{label}: %{value:,} aircraft<extra></extra>"))
    )


def bars(aircraft: pd.Series) -> go.Figure:
    """Aircraft of each phase in one minute."""
    values = [aircraft[phase] for phase in PHASES]
    drawn = go.Bar(
        x=values,
        y=[phase.title() for phase in PHASES],
        orientation="h",
        marker={"color": [PHASE_COLOURS[phase] for phase in PHASES]},
        text=[f"{value:,.0f}" for value in values],
        textangle=0,
        hovertemplate="%{y}: %{x:,} aircraft<extra></extra>",
    )
    figure = _plain(go.Figure(drawn))
    return figure.update_yaxes(autorange="reversed").update_xaxes(title="aircraft")


def stacked(minutes: pd.DataFrame) -> go.Figure:
    """Flights per phase over time. What was not sampled stays empty, and the running minute is pale."""
    figure, named = go.Figure(), False
    for number, run in enumerate(runs(minutes)):
        # Each minute is as wide as a minute: the last one of a run needs an end.
        end = run.index[-1] + MINUTE
        strength = PALE if run["state"].iloc[0] == "running" else SOLID
        for phase in PHASES:
            values = [*run[phase], run[phase].iloc[-1]]
            figure.add_scatter(
                x=[*run.index, end],
                y=values,
                name=phase.title(),
                legendgroup=phase,
                showlegend=not named,
                stackgroup=str(number),
                line={"width": 0, "shape": "hv"},
                fillcolor=_rgba(PHASE_COLOURS[phase], strength),
                hovertemplate="%{y:,.0f}",
            )
        named = True
    figure.update_xaxes(range=[minutes.index[0], minutes.index[-1] + MINUTE]).update_yaxes(title="aircraft")
    return _plain(figure).update_layout(hovermode="x unified")


def runs(minutes: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Minutes that were sampled one after the other; the running one is a run of its own."""
    kind = minutes["state"].where(minutes["state"].isin([UNSAMPLED, "running"]), "full")
    for _, run in minutes.groupby((kind != kind.shift()).cumsum()):
        if run["state"].iloc[0] != UNSAMPLED:
            yield run


def ten(top: pd.DataFrame) -> go.Figure:
    """The countries with the highest anomaly rate, with the aircraft beside them."""
    words = [alert_words.share(row) for _, row in top.iterrows()]
    names = [alert_words.country(name) for name in top["origin_country"]]
    highest = 100 * float(top["anomaly_rate"].max())
    drawn = go.Bar(x=100 * top["anomaly_rate"], y=names, orientation="h", marker={"color": ANOMALY}, text=words)
    drawn.update(textposition="outside", cliponaxis=False, hovertemplate="%{y}: %{text}<extra></extra>")
    figure = _plain(go.Figure(drawn))
    return figure.update_yaxes(autorange="reversed").update_xaxes(
        title="anomalous aircraft, % of all seen", range=[0, ROOM * highest]
    )


def heat(cells: pd.DataFrame, windows: pd.Series) -> go.Figure:
    """Anomaly rate of countries by hour; an hour that was not sampled, or with too few aircraft, has no colour."""
    names = alerting.highest(cells)
    rates = 100 * cells.pivot(index="country", columns="hour", values="anomaly_rate").reindex(
        names, columns=windows.index
    )
    words = [[_told(rate, count) for rate, count in zip(row, windows, strict=True)] for row in rates.to_numpy(float)]
    drawn = go.Heatmap(
        z=rates.to_numpy(float),
        x=[f"{hour:%m-%d %H:00}" for hour in windows.index],
        y=[alert_words.country(name) for name in names],
        customdata=words,
        colorscale="YlOrBr",
        zmin=0,
        hoverongaps=True,
        xgap=1,
        ygap=1,
        colorbar={"title": "%"},
        hovertemplate="%{y}, %{x} UTC: %{customdata}<extra></extra>",
    )
    return _plain(go.Figure(drawn)).update_yaxes(autorange="reversed")


def _told(rate: float, windows: int) -> str:
    if windows == 0:
        return UNSAMPLED
    return "too few aircraft" if pd.isna(rate) else f"{rate:.1f} %"


def _plain(figure: go.Figure) -> go.Figure:
    legend = {"orientation": "h", "y": -0.2}
    return figure.update_layout(height=HEIGHT, margin={"l": 0, "r": 0, "t": 24, "b": 0}, legend=legend, separators=". ")


def _rgba(colour: str, strength: float) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{strength})"
