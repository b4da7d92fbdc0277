"""The viewer's page: `streamlit run streamlit_dashboard/app.py`. It reads the lake, and needs neither Spark nor Java."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import NamedTuple

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline import ops, serving
from pipeline.errors import ContrailError
from pipeline.exposure import is_loopback
from pipeline.settings import load
from pipeline.status_words import LABELS, freshness_words, pipeline_words
from pipeline.tables import Lake, lake_of
from streamlit_dashboard import charts
from streamlit_dashboard.view import RANGES, Desk, View, caption, changes

KEPT = 32
PLOTLY = {"displayModeBar": False}


class Choice(NamedTuple):
    """What the sidebar asks for: seconds between looks, the range, percent and aircraft that make an alert."""

    refresh: int
    back: timedelta
    threshold: float
    least: int


@st.cache_resource(show_spinner=False)
def the_desk(lake: Lake) -> Desk:
    """One reader for all sessions."""
    return Desk(lake)


@st.cache_resource(show_spinner=False)
def settled() -> None:
    """Once, when all libraries are there: Streamlit looks for garbage after every run, and these are not worth looking at."""
    gc.collect()
    gc.freeze()


def asked() -> Choice:
    """The sidebar's questions."""
    return Choice(
        refresh=st.slider("Refresh, seconds", 5, 120, 10, 5),
        back=RANGES[str(st.segmented_control("Range", list(RANGES), default="1 h", required=True))],
        threshold=float(st.slider("Alert from, % anomalous", 1, 100, 10)),
        least=st.slider("Alert from, aircraft", 1, 50, 5),
    )


def status(desk: Desk) -> None:
    """Where the data comes from, how old it is, and how the pipeline is."""
    try:
        desk.versions()
        told = ops.read(desk.lake, ops.STATUS)
    except ContrailError:  # the page says what is wrong
        st.caption(f"Feed and pipeline: not known while the lake cannot be read. Lake: {desk.lake.root}")
        return
    fresh = serving.freshness(desk.newest, told)
    st.markdown(f"**{LABELS.get((told or {}).get('source', ''), 'unknown feed')}**")
    {"fresh": st.success, "late": st.warning, "stale": st.error, "none": st.info}[fresh.level](freshness_words(fresh))
    st.caption(f"Pipeline: {pipeline_words(told)[0]}. Lake: {desk.lake.root}")


def metrics(view: View) -> None:
    """The four figures of the last full minute, each with its change; a missing one is a dash."""
    change, head = changes(view), view.headline
    figures = {
        "Active flights": (head and head.active_flights, change["active"], "{:,.0f}"),
        "Mean altitude": (head and head.mean_altitude_meters, change["altitude_meters"], "{:,.0f} m"),
        "Mean ground speed": (head and head.mean_velocity_kmh, change["velocity_kmh"], "{:,.0f} km/h"),
        "Anomaly rate": (head and head.anomaly_rate, change["anomaly_rate"], "{:.1%}"),
    }
    for place, (name, (value, moved, form)) in zip(st.columns(4), figures.items(), strict=True):
        shown = "–" if value is None else form.format(value)
        told = None if moved is None else form.format(moved)
        same = told in (form.format(0.0), form.format(-0.0))
        place.metric(
            name, shown, form.format(0.0) if same else told, delta_color="off",
            delta_arrow="off" if same else "auto", border=True,
        )  # fmt: skip


def page(desk: Desk, choice: Choice) -> None:
    """All that the lake has to show now, or the sentence that says why there is nothing."""
    try:
        shown(desk, desk.lake.root, desk.versions(), *choice[1:])
        settled()
    except ContrailError as error:
        st.error(str(error))


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def shown(_desk: Desk, root: str, versions: tuple[int, ...], back: timedelta, threshold: float, least: int) -> None:
    """The page's content, read and drawn once for each version of the tables: Streamlit sends all others the same elements."""
    view = None if -1 in versions else _desk.view(back, threshold, least)
    if view is None:
        st.info(f"There is no observation in {root} yet: start the pipeline, and this page fills by itself.")
        return
    metrics(view)
    st.caption(caption(view, back))
    figures(view, charts.drawn(view, back), threshold)


def figures(view: View, pictures: dict[str, go.Figure], threshold: float) -> None:
    """Everything below the four figures."""
    left, right = st.columns(2)
    if view.headline is not None:
        left.subheader("Phases, last full minute")
        picture(left, pictures, "pie", "")
        right.subheader("Aircraft per phase")
        picture(right, pictures, "bars", "")
    st.subheader("Flights per phase over time")
    picture(st.container(), pictures, "stacked", "")
    left, right = st.columns(2)
    left.subheader("Highest anomaly rates, last 5 minutes")
    nothing = "" if view.counted else "No window of this range was counted: nothing is known of alerts."
    picture(left, pictures, "ten", nothing or "No country has an anomalous aircraft.")
    right.subheader(f"Alerts: {threshold:.0f} % and more anomalous")
    if view.critical.empty:
        right.info(nothing or "No country was in alert in this range.")
    else:
        rate = {"Highest rate, %": st.column_config.NumberColumn(format="%.1f")}
        right.dataframe(view.critical, hide_index=True, height=charts.HEIGHT, column_config=rate, key="critical")
    st.subheader("Anomaly rate by country and hour (UTC), last 24 hours")
    picture(st.container(), pictures, "heat", "No anomaly in the last 24 hours.")


def picture(place: DeltaGenerator, pictures: dict[str, go.Figure], name: str, otherwise: str) -> None:
    """A picture where there is one, else the sentence that says why not."""
    if name in pictures:
        place.plotly_chart(pictures[name], key=name, config=PLOTLY)
    else:
        place.info(otherwise)


def require_loopback(address: str | None, *, may_be_open: bool) -> None:
    """Raise ContrailError when the viewer, which asks nobody who they are, listens on more than loopback and was not told that it may.

    `address` is Streamlit's `server.address`; without one it listens on every address.
    """
    if not may_be_open and not is_loopback(address or ""):
        raise ContrailError(
            f"The viewer would be open to others on {address or 'every address'}, and asks nobody who they are: add "
            "--server.address 127.0.0.1, or set CONTRAIL_VIEWER_OPEN=yes where everybody who reaches it may look."
        )


def main() -> None:
    """Build the page of one session; its parts refresh themselves."""
    st.set_page_config(page_title="Contrail", layout="wide")
    st.title("Contrail", anchor=False)
    try:
        settings = load()
        require_loopback(st.get_option("server.address"), may_be_open=settings.viewer_open)
        desk = the_desk(lake_of(settings))
    except ContrailError as error:
        st.error(str(error))
        return
    with st.sidebar:
        choice = asked()
        st.fragment(status, run_every=choice.refresh)(desk)
    st.fragment(page, run_every=choice.refresh)(desk, choice)


main()
