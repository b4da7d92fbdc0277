"""The Alerts tab: which countries have anomalous aircraft now and in the last hours, why, and what other limits would do."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui
from alert_card import AlertCard
from alert_figures import Heat, TopTen
from alert_inquiry import Inquiry
from header import update
from hub import Hub
from look import CARD, NUMBERS, QUIET
from plain_text import plain
from rehearsal import RehearsalCard
from rows_table import RowsTable
from snapshot import Snapshot
from view_state import RANGES, ViewState

from pipeline import alert_words, alerting, serving
from pipeline.alerting import Alert
from pipeline.serving import MINUTE, Reader
from pipeline.tables import ANOMALY_ALERTS

AGAIN_SECONDS = 2.0
RANGE_WORDS = {"15m": "15 minutes", "1h": "hour", "6h": "6 hours"}
COLUMNS = ("country", "window_utc", "minutes", "peak_percent", "anomalous_aircraft", "main_reasons", "state")


class AlertsTab:
    """One session's Alerts tab."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state = hub, state
        self._snapshot = Snapshot()
        self._asked: tuple[Any, ...] = ()
        self._asked_at = 0.0
        self._heat_asked: tuple[Any, ...] = ()
        self._alerts: list[Alert] = []
        self._windows = 0
        self._chosen: tuple[str, datetime] | None = None
        self._inquiry, self._hours = Inquiry(hub, self._show_alerts), Inquiry(hub, self._show_hours)
        self._ten, self._heat = TopTen(state.theme), Heat(state.theme)
        self._card, self._rehearsal = AlertCard(state), RehearsalCard(hub, state)
        self._ten_told, self._heat_told, self._told = _text(), _text(), _text()
        self._table = RowsTable(lambda row: self._choose(self._alerts[row]), visible=False)
        self._choice = pmui.Select(
            label="Alert to explain", options={}, size="small", sizing_mode="stretch_width", margin=(16, 0, 0, 0)
        )
        self._choice.param.watch(self._chosen_by_name, "value")
        state.param.watch(self._again, ["threshold", "least", "range"])
        state.param.watch(self._paint, "theme")
        self.view = self._laid_out()

    def show(self, snapshot: Snapshot) -> None:
        """Show what is new."""
        if snapshot.newest is None:
            update(self._told, object=plain(snapshot.trouble) or "No observation has come yet.")
            return
        if snapshot.version != self._snapshot.version:
            self._snapshot = snapshot
            self._show_ten()
            self._rehearsal.show(snapshot.newest)
        self._ask(snapshot.newest)

    def _ask(self, newest: datetime) -> None:
        """Ask again when the table or what is wanted of it has changed, and the day's hours once a minute."""
        wanted = self._state.threshold, self._state.least, self._state.range
        question = (*wanted, self._snapshot.versions.get(ANOMALY_ALERTS.name))
        soon = wanted != self._asked[:3] or time.monotonic() - self._asked_at >= AGAIN_SECONDS
        if question != self._asked and soon and not self._inquiry.busy:
            self._asked, self._asked_at = question, time.monotonic()
            back = timedelta(minutes=RANGES[self._state.range])
            self._inquiry.ask(looked_up, newest, back, self._state.threshold, self._state.least)
        hourly = (serving.last_full_minute(newest), self._state.least)
        if hourly != self._heat_asked and not self._hours.busy:
            self._heat_asked = hourly
            self._hours.ask(alerting.hours, newest, self._state.least)

    def _again(self, *_: Any) -> None:
        if self._snapshot.newest is not None:
            self._show_ten()
            self._ask(self._snapshot.newest)

    def _show_ten(self) -> None:
        rows, least = self._snapshot.alerts, self._state.least
        top = alerting.ranked(rows, least)
        if rows.empty:
            update(self._ten_told, object="The last full window has no report.")
        else:
            span = alert_words.span(rows["window_start"].iloc[0], rows["window_end"].iloc[0])
            enough = int((rows["aircraft"] >= least).sum())
            anomalous = int(((rows["aircraft"] >= least) & (rows["anomalous_aircraft"] > 0)).sum())
            told = f"Window {span} UTC, the last full one. {anomalous} of {enough} countries with at least {least} aircraft had an anomalous one."
            update(self._ten_told, object=told)
        if "origin_country" in top:
            self._ten.show(top)

    def _show_alerts(self, found: tuple[list[Alert], int]) -> None:
        alerts, self._windows = found
        self._alerts = alerts
        update(self._told, object=self._sentence())
        update(self._table, visible=bool(alerts))
        update(self._choice, visible=bool(alerts))
        names = {alert_words.headline(one, ongoing=self._ongoing(one)): _key(one) for one in alerts}
        kept = next((one for one in alerts if _key(one) == self._chosen), alerts[0] if alerts else None)
        self._chosen = value = (
            None if kept is None else _key(kept)
        )  # so that the choice, set next, chooses nothing anew
        if self._choice.options != names or self._choice.value != value:
            self._choice.param.update(options=names, value=value)
        self._choose(kept)

    def _sentence(self) -> str:
        state, newest = self._state, self._snapshot.newest
        until = "" if newest is None else f" until {serving.last_full_minute(newest) + MINUTE:%H:%M} UTC"
        rule = f"{state.threshold:g} % or more of at least {state.least} aircraft of a country were anomalous"
        if not self._windows:
            return f"No window of the last {RANGE_WORDS[state.range]}{until} was counted: nothing is known of alerts."
        if not self._alerts:
            return f"No alert: in no window of the last {RANGE_WORDS[state.range]}{until} {rule}."
        many = "1 alert" if len(self._alerts) == 1 else f"{len(self._alerts):,} alerts"
        return (
            f"{many} in the last {RANGE_WORDS[state.range]}{until}: {rule}. "
            "Windows of one country that follow one another are one alert; its figures are those of its peak."
        )

    def _choose(self, alert: Alert | None) -> None:
        self._chosen = None if alert is None else _key(alert)
        update(self._choice, value=self._chosen)
        place = next((place for place, one in enumerate(self._alerts) if one is alert), None)
        self._table.show(_frame(self._alerts, self._ongoing), place)
        self._card.show(alert, ongoing=alert is not None and self._ongoing(alert))

    def _chosen_by_name(self, event: Any) -> None:
        if event.new != self._chosen:
            self._choose(next((one for one in self._alerts if _key(one) == event.new), None))

    def _ongoing(self, alert: Alert) -> bool:
        newest = self._snapshot.newest
        return newest is not None and alert.until >= serving.last_full_minute(newest) + MINUTE

    def _show_hours(self, found: tuple[pd.DataFrame, pd.Series]) -> None:
        cells, windows = found
        self._heat.show(cells, windows)
        sampled = int((windows > 0).sum())
        told = f"Last {len(windows)} hours, {sampled} of them sampled; the last one so far. Countries with an anomalous aircraft, the highest rates first."
        nobody = cells.empty or not (cells["anomalous"] > 0).any()
        update(self._heat_told, object=f"{told} There was none." if nobody else told)

    def _paint(self, event: Any) -> None:
        self._ten.paint(event.new)
        self._heat.paint(event.new)

    def _laid_out(self) -> Any:
        table = _card("Alerts", self._told, self._inquiry.view, self._table, self._choice, flex="2 1 560px")
        ten = pn.pane.Bokeh(self._ten.figure, sizing_mode="stretch_width")
        heat = pn.pane.Bokeh(self._heat.figure, sizing_mode="stretch_width")
        return pmui.Column(
            _controls(self._state),
            pmui.FlexBox(table, self._card.view, gap="16px", sizing_mode="stretch_width"),
            pmui.FlexBox(
                _card("Highest anomaly rates now", self._ten_told, ten, flex="1 1 340px"),
                _card(
                    "Anomaly rate by country and hour (UTC)", self._heat_told, self._hours.view, heat, flex="2 1 520px"
                ),
                gap="16px",
                sizing_mode="stretch_width",
                margin=(16, 0),
            ),
            self._rehearsal.view,
            sizing_mode="stretch_width",
            margin=(12, 16),
        )


def _controls(state: ViewState) -> Any:
    """Threshold, least number of aircraft and range: as the state has them, and written into it."""
    threshold = pmui.FloatInput(
        label="Alert from, % of aircraft", value=state.threshold, start=0, end=100, step=1, size="small", width=190
    )
    least = pmui.IntInput(
        label="At least, aircraft", value=state.least, start=1, end=1000, step=1, size="small", width=160
    )
    back = pmui.RadioButtonGroup(label="Range", value=state.range, options=list(RANGES), size="small")
    for name, widget in (("threshold", threshold), ("least", least), ("range", back)):
        _bind(state, name, widget)
    return pmui.FlexBox(threshold, least, back, gap="16px", align_items="center", sizing_mode="stretch_width")


def _bind(state: ViewState, name: str, widget: Any) -> None:
    """Keep a widget and a parameter of the state equal; an emptied field takes back what was there."""

    def write(event: Any) -> None:
        if event.new is None:
            widget.value = getattr(state, name)
        else:
            state.param.update(**{name: event.new})

    widget.param.watch(write, "value")
    state.param.watch(lambda event: update(widget, value=event.new), name)


def _key(alert: Alert) -> tuple[str, datetime]:
    return alert.country, alert.since


def looked_up(
    reader: Reader, newest: datetime, back: timedelta, threshold: float, least: int
) -> tuple[list[Alert], int]:
    """The alerts of a range, and how many of its windows were counted."""
    found = alerting.alerts(reader, newest, back, threshold, least)
    return found, alerting.windows_counted(reader, newest, back)


def _frame(alerts: list[Alert], ongoing: Any) -> pd.DataFrame:
    rows = [
        (
            alert_words.country(one.country),
            alert_words.span(one.since, one.until),
            alert_words.minutes(one),
            round(100 * float(one.peak["anomaly_rate"]), 1),
            f"{one.peak['anomalous_aircraft']:,} of {one.peak['aircraft']:,}",
            alert_words.main_reasons(one),
            ("ongoing, " if ongoing(one) else "") + str(one.windows["state"].iloc[-1]),
        )
        for one in alerts
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _text() -> Any:
    return pmui.Typography("", variant="body2", sx=QUIET | NUMBERS, margin=0)


def _card(title: str, *inside: Any, flex: str) -> Any:
    heading = pmui.Typography(title, variant="h6", margin=0)
    return pmui.Paper(heading, *inside, elevation=0, margin=0, sx=CARD, styles={"flex": flex, "minWidth": "0"})
