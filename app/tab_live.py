"""The Live tab: four figures with their trend, the phases now, and the phases over time with each window's state."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Range1d
from header import update
from hub import Hub
from live_figures import (
    STATES,
    bars,
    donut,
    minutes_source,
    phases_source,
    sparkline,
    stacked,
    state_strip,
    trends_source,
)
from live_picture import (
    MinutesPicture,
    PhasesPicture,
    TrendsPicture,
    caption,
    drawn_alike,
    minutes_of,
    phases_of,
    tiles_of,
    trends_of,
)
from look import CARD, NUMBERS, QUIET
from passports import PASSPORTS, Passport
from plain_text import plain
from snapshot import Snapshot
from view_state import RANGES, ViewState


class LiveTab:
    """One session's view of the hub's snapshot."""

    def __init__(self, hub: Hub, state: ViewState, user: str) -> None:
        self._hub, self._state = hub, state
        self._shown = (-1, "")
        self._latest = Snapshot()
        self._phases, self._minutes = phases_source(), minutes_source()
        self._most, self._span, self._top = Range1d(0, 1), Range1d(0, 1), Range1d(0, 1)
        self._trends, self._hour = trends_source(passport.name for passport in PASSPORTS), Range1d(0, 1)
        self._trends_shown: TrendsPicture | None = None
        self._dialog = pmui.Dialog(pmui.Markdown(""), show_close_button=True, close_on_click=True, width_option="sm")
        self._tiles = [Tile(passport, self._trends, self._hour, self._open_passport) for passport in PASSPORTS]
        self._caption = pmui.Typography("Waiting for the first observations.", variant="body2", sx=QUIET, margin=0)
        self._summary = pmui.Typography("", variant="body2", sx=QUIET, margin=0)
        self.view = pmui.FlexBox(
            *(tile.view for tile in self._tiles),
            pmui.Row(self._caption, margin=0, styles={"flex": "1 1 100%"}),
            self._phases_card(),
            self._minutes_card(),
            self._dialog,
            gap="16px",
            sizing_mode="stretch_width",
            margin=(16, 16),
        )

    def show(self, snapshot: Snapshot) -> None:
        """Send what is new to the browser."""
        before, ranged = self._latest, self._state.range
        if (snapshot.version, ranged) == self._shown:
            return
        is_same_range = ranged == self._shown[1]
        self._shown, self._latest = (snapshot.version, ranged), snapshot
        update(self._caption, object=plain(snapshot.trouble) or caption(snapshot))
        is_same = snapshot.minutes is before.minutes
        if not (is_same and snapshot.trend is before.trend):
            for tile in self._tiles:
                tile.show(snapshot)
            if len(snapshot.minutes):
                self._show_trends(trends_of(snapshot))
        if len(snapshot.minutes) and not is_same:
            self._show_phases(phases_of(snapshot))
        if len(snapshot.minutes) and not (is_same and is_same_range):
            self._show_minutes(minutes_of(snapshot, ranged))

    def _show_trends(self, picture: TrendsPicture) -> None:
        if not drawn_alike(picture, self._trends_shown):
            self._trends.data = dict(picture.columns)
            self._hour.update(start=picture.across[0], end=picture.across[1])
        self._trends_shown = picture

    def _show_phases(self, picture: PhasesPicture) -> None:
        self._phases.data = dict(picture.columns)
        self._most.end = picture.most
        update(self._summary, object=picture.summary)

    def _show_minutes(self, picture: MinutesPicture) -> None:
        self._minutes.data = dict(picture.columns)
        self._span.update(start=picture.across[0], end=picture.across[1])
        self._top.end = picture.top

    def _phases_card(self) -> Any:
        ring = pmui.Row(pn.pane.Bokeh(donut(self._phases)), margin=0, styles={"flex": "0 0 270px", "margin": "0 auto"})
        beside = pmui.Row(
            pn.pane.Bokeh(bars(self._phases, self._most), sizing_mode="stretch_width"),
            sizing_mode="stretch_width", margin=0, styles={"flex": "1 1 300px", "minWidth": "0"},
        )  # fmt: skip
        return card(
            pmui.Typography("Aircraft per phase, last full minute", variant="h6", margin=0),
            pmui.FlexBox(ring, beside, sizing_mode="stretch_width", margin=0, align_items="center"),
            self._summary,
        )

    def _minutes_card(self) -> Any:
        chosen = pmui.RadioButtonGroup(
            label="Range", value=self._state.range, options=list(RANGES), size="small", margin=0, width=180
        )
        chosen.link(self._state, value="range", bidirectional=True)
        return card(
            pmui.FlexBox(
                pmui.Typography("Flights per phase over time", variant="h6", margin=0),
                chosen, justify_content="space-between", align_items="center", sizing_mode="stretch_width", margin=0,
            ),
            pn.pane.Bokeh(stacked(self._minutes, self._span, self._top), sizing_mode="stretch_width"),
            pn.pane.Bokeh(state_strip(self._minutes, self._span), sizing_mode="stretch_width"),
            pn.pane.HTML(states_key(), margin=0, styles={"font-size": "14px"}),
        )  # fmt: skip

    def _open_passport(self, passport: Passport) -> None:
        latest = self._latest
        version = latest.versions.get(passport.table.name)
        self._dialog.param.update(
            title=passport.title,
            objects=[pmui.Markdown(passport.page(latest.headline, version, latest.newest))],
            open=True,
        )


class Tile:
    """One headline figure: its value, how it moved within the hour, and the way to its passport."""

    def __init__(self, passport: Passport, trends: ColumnDataSource, across: Range1d, open_passport: Any) -> None:
        self._passport = passport
        self._value = pmui.Typography("–", variant="h4", sx=NUMBERS, margin=0, css_classes=[f"figure-{passport.name}"])
        self._moved = pmui.Typography("no trend yet", variant="body2", sx=QUIET, margin=0)
        self._height = Range1d(0, 1)
        about = pmui.Button(
            label="About", variant="text", size="small", margin=0, description=f"What {passport.title} means",
            on_click=lambda event: open_passport(passport),
        )  # fmt: skip
        form = "0,0" if passport.digits == 0 else "0.00"
        self.view = card(
            pmui.FlexBox(
                pmui.Typography(passport.title, variant="subtitle2", sx=QUIET, margin=0),
                about, justify_content="space-between", align_items="center", sizing_mode="stretch_width", margin=0,
            ),
            self._value,
            self._moved,
            pn.pane.Bokeh(
                sparkline(trends, passport.name, passport.title, form, across, self._height), sizing_mode="stretch_width"
            ),
            flex="1 1 165px",
        )  # fmt: skip

    def show(self, snapshot: Snapshot) -> None:
        """Show the snapshot's value and trend."""
        picture = tiles_of(snapshot)[self._passport.name]
        update(self._value, object=picture.value)
        update(self._moved, object=picture.moved)
        if picture.up:
            self._height.update(start=picture.up[0], end=picture.up[1])


def states_key() -> str:
    """The legend of the windows' states: one text, since each component of its own costs the page a hundredth of a second."""
    box = "display:inline-block;width:14px;height:14px;margin:0 6px 0 14px;vertical-align:-2px;border:1px solid #5f6b7a"
    lines = ";background-image:repeating-linear-gradient(45deg, #5f6b7a 0 2px, transparent 2px 6px)"
    drawn = (
        f'<span style="white-space:nowrap"><span style="{box};background-color:{colour}{lines if hatch.strip() else ""}">'
        f"</span>{name}</span>"
        for name, (colour, hatch) in STATES.items()
    )
    return f"Windows: {' '.join(drawn)}"


def card(*objects: Any, flex: str = "1 1 480px") -> Any:
    """A framed part of a tab."""
    return pmui.Paper(
        *objects, elevation=0, margin=0, sx=CARD, styles={"flex": flex, "minWidth": "0"}, sizing_mode="stretch_width"
    )
