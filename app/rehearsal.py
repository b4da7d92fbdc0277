"""The threshold rehearsal: one limit moved, and what the last hour would have been with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import panel as pn
import panel_material_ui as pmui
from alert_figures import Compared
from alert_inquiry import Inquiry
from header import update
from hub import Hub
from look import CARD, NUMBERS, QUIET
from plain_text import plain
from view_state import ViewState

from pipeline import alert_words, alerting
from pipeline.alerting import REHEARSED, Rehearsal
from pipeline.anomalies import LIMITS

# Where each limit may be moved to, and in which steps; in the limit's unit.
RANGES = {
    "altitude_high": (6_000, 20_000, 50),
    "altitude_low": (-1_000, 500, 10),
    "speed_high": (600, 2_000, 10),
    "vertical_rate": (5, 80, 1),
    "altitude_mismatch": (50, 3_000, 10),
}
NAMES = {
    "altitude_high": "Too high: altitude above",
    "altitude_low": "Too low: altitude below",
    "speed_high": "Too fast: ground speed above",
    "vertical_rate": "Climbs or sinks faster than",
    "altitude_mismatch": "Altitudes disagree by more than",
}
SHOWN = 5


class RehearsalCard:
    """Choose a limit, move it, and see alerts and flagged aircraft of the last hour beside those that there were."""

    def __init__(self, hub: Hub, state: ViewState) -> None:
        self._hub, self._state = hub, state
        self._newest: datetime | None = None
        self._asked: tuple[str, float] | None = None
        self._inquiry = Inquiry(hub, self._answered)
        self._chart = Compared(state.theme)
        self._reason = pmui.Select(
            label="Limit to move",
            options={NAMES[name]: name for name in REHEARSED},
            size="small",
            sizing_mode="stretch_width",
        )
        # Not the slider that can be typed into: its field has no name for those who hear the page.
        self._bound = pmui.FloatSlider(label="Moved to", value=0, start=-1, end=1, sizing_mode="stretch_width")
        self._typed = pmui.FloatInput(label="Typed", value=0, size="small", width=160)
        self._present = pmui.Typography("", variant="body2", sx=QUIET | NUMBERS)
        self._reset = pmui.Button(label="Back to the present limit", size="small", variant="outlined")
        self._again = pmui.Button(label="Rehearse on the newest hour", size="small", variant="outlined")
        self._alerts, self._aircraft = _Pair("Alerts (a country in one window)"), _Pair("Aircraft flagged")
        self._told = pmui.Typography("", variant="body2", sx=NUMBERS, margin=0)
        self._pane = pn.pane.Bokeh(self._chart.figure, sizing_mode="stretch_width", visible=False)
        reason, bound = state.moved or (REHEARSED[0], None)
        self._reason.value = reason
        self._choose(reason, bound)
        self._reason.param.watch(lambda event: self._choose(event.new), "value")
        self._bound.param.watch(self._move, "value_throttled")
        self._typed.param.watch(self._move, "value")
        self._reset.on_click(lambda _: self._choose(self._reason.value))
        self._again.on_click(lambda _: self.ask())
        state.param.watch(lambda *_: self.ask(), ["threshold", "least"])
        state.param.watch(lambda event: self._chart.paint(event.new), "theme")
        self.view = self._laid_out()

    def show(self, newest: datetime) -> None:
        """Take the newest event time; the first one starts the first rehearsal."""
        first, self._newest = self._newest is None, newest
        if first:
            self.ask()

    def ask(self) -> None:
        """Rehearse what is chosen."""
        if self._newest is None or self._bound.value is None:
            return
        self._asked = reason, bound = self._reason.value, float(self._bound.value)
        limits = LIMITS[self._hub.settings.limits]
        self._state.moved = None if bound == limits.of(reason) else self._asked
        self._inquiry.ask(
            alerting.rehearse, self._newest, limits, *self._asked, self._state.threshold, self._state.least
        )

    def _move(self, event: Any) -> None:
        """Slider and field are equal; an emptied field takes back what was there."""
        value = (
            self._bound.value if event.new is None else min(max(float(event.new), self._bound.start), self._bound.end)
        )
        update(self._bound, value=value)
        update(self._typed, value=value)
        if (self._reason.value, value) != self._asked:
            self.ask()

    def _choose(self, reason: str, bound: float | None = None) -> None:
        """Move to the limit of a reason: to a bound, or to where it is at present."""
        low, high, step = RANGES[reason]
        present = LIMITS[self._hub.settings.limits].of(reason)
        start = LIMITS["expert"].of(reason) if present is None else present
        unit = alert_words.QUANTITIES[reason][1]
        told = "Not checked at present." if present is None else f"At present {alert_words.bound(reason, present)}."
        value = float(start or 0) if bound is None else min(max(bound, low), high)
        self._bound.param.update(start=low, end=high, step=step, value=value, label=f"Moved to, {unit}")
        self._asked = reason, value  # the field follows, and asks nothing of its own
        self._typed.param.update(start=low, end=high, step=step, value=value, label=f"Typed, {unit}")
        update(self._present, object=told)
        self.ask()

    def _answered(self, found: Rehearsal) -> None:
        if self._asked is None:
            return
        reason, bound = self._asked
        self._alerts.show(found.alerts, found.alerts_moved)
        self._aircraft.show(found.aircraft, found.aircraft_moved)
        self._chart.show(found.windows)
        update(self._pane, visible=True)
        update(self._told, object=plain(self._sentence(found, reason, bound)))

    def _sentence(self, found: Rehearsal, reason: str, bound: float) -> str:
        present = LIMITS[self._hub.settings.limits].of(reason)
        told = (
            f"{NAMES[reason]} {alert_words.bound(reason, bound)}, in the hour {alert_words.span(found.since, found.until)} UTC, "
            f"at {self._state.threshold:g} % or more of at least {self._state.least} aircraft."
        )
        if bound == present and found.alerts != found.alerts_moved:
            return f"{told} The limit is not moved, yet the figures differ: the limits were others within this hour, or reports came too late for Gold."
        if bound == present:
            return f"{told} The limit is not moved: this is what Gold says."
        most = found.countries[found.countries["moved"] != found.countries["present"]]
        most = most.assign(change=most["moved"] - most["present"])
        most = most.reindex(most["change"].abs().sort_values(ascending=False, kind="stable").index).head(SHOWN)
        changes = ", ".join(f"{alert_words.country(name)} {row['change']:+d}" for name, row in most.iterrows())
        return f"{told} Changed most: {changes}." if changes else f"{told} No country's alerts would change."

    def _laid_out(self) -> Any:
        controls = pmui.Column(
            self._reason,
            self._bound,
            self._typed,
            self._present,
            pmui.FlexBox(self._reset, self._again, gap="8px"),
            styles={"flex": "1 1 320px", "minWidth": "0"},
            margin=0,
        )
        results = pmui.Column(
            pmui.FlexBox(self._alerts.view, self._aircraft.view, gap="16px", sizing_mode="stretch_width"),
            self._inquiry.view,
            self._told,
            self._pane,
            styles={"flex": "2 1 420px", "minWidth": "0"},
            margin=0,
        )
        return pmui.Paper(
            pmui.Typography("Rehearse a limit", variant="h6", margin=0),
            pmui.Typography(
                "What the last hour would have been with one limit moved and the others as they are. Nothing is changed.",
                variant="body2",
                sx=QUIET,
                margin=0,
            ),
            pmui.FlexBox(controls, results, gap="16px", sizing_mode="stretch_width", margin=(12, 0, 0, 0)),
            elevation=0,
            margin=0,
            sx=CARD,
            sizing_mode="stretch_width",
        )


class _Pair:
    """A figure as it is and as it would be."""

    def __init__(self, title: str) -> None:
        self._moved = pmui.Typography("–", variant="h5", sx=NUMBERS, margin=0)
        self._present = pmui.Typography("at present –", variant="body2", sx=NUMBERS, margin=0)
        label = pmui.Typography(title, variant="body2", sx=QUIET, margin=0)
        self.view = pmui.Column(label, self._moved, self._present, styles={"flex": "1 1 160px"}, margin=0)

    def show(self, present: int, moved: int) -> None:
        update(self._moved, object=f"{moved:,}")
        update(self._present, object=f"at present {present:,}")
