"""The tables as they were at a moment: the headline as it was known then, beside what is known of that minute now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import panel_material_ui as pmui
from alert_inquiry import Inquiry
from header import update
from history_moment import MomentPicker, words
from hub import Hub
from look import CARD, NUMBERS, QUIET
from plain_text import plain
from view_state import ViewState

from pipeline import past
from pipeline.alert_words import percent
from pipeline.past import Then
from pipeline.serving import Headline

FIGURES = {
    "active_flights": ("Active flights", lambda value: f"{value:,}"),
    "mean_altitude_meters": ("Mean altitude", lambda value: f"{value:,.0f} m"),
    "mean_velocity_kmh": ("Mean ground speed", lambda value: f"{value:,.0f} km/h"),
    "anomaly_rate": ("Anomaly rate", percent),
}


class AsOfCard:
    """Choose a moment; Delta's log tells which versions were the newest then."""

    def __init__(self, hub: Hub, state: ViewState) -> None:
        self._state = state
        self._inquiry = Inquiry(hub, self._answered)
        self._picker = MomentPicker("As of")
        self._go = pmui.Button(label="Show the tables as of then", size="small")
        self._clear = pmui.Button(label="Back to now", size="small", variant="outlined", visible=False)
        self._told = pmui.Typography("", variant="body2", sx=NUMBERS, margin=0, visible=False)
        self._versions = pmui.Typography("", variant="body2", sx=QUIET | NUMBERS, margin=0, visible=False)
        self._tiles = {name: _Tile(title) for name, (title, _) in FIGURES.items()}
        self._figures = pmui.FlexBox(
            *(tile.view for tile in self._tiles.values()), gap="16px", sizing_mode="stretch_width", visible=False
        )
        self._go.on_click(lambda _: self._pick())
        self._clear.on_click(lambda _: state.param.update(asof=None))
        state.param.watch(lambda _: self._ask(), "asof")
        self.view = self._laid_out()

    def start(self, newest: datetime) -> None:
        """Fill the pickers at first sight, and answer what the address asked for."""
        self._picker.put(self._state.asof or newest)
        self._ask()

    def _pick(self) -> None:
        moment = self._picker.value
        if moment is None:
            self._say("Choose a date and a time first.")
        elif moment == self._state.asof:
            self._ask()
        else:
            self._state.param.update(asof=moment)

    def _ask(self) -> None:
        moment = self._state.asof
        update(self._clear, visible=moment is not None)
        self._say("")
        if moment is None:
            return
        self._picker.put(moment)
        if moment > datetime.now(UTC):
            self._say(f"{words(moment)} lies in the future: choose an earlier moment.")
        else:
            self._inquiry.ask(past.as_of, moment)

    def _answered(self, found: Then) -> None:
        if found.asof != self._state.asof:
            return
        if found.then is None:
            self._say(f"At {words(found.asof)} the tables held no full minute yet.")
        else:
            minute = f"{found.then.window_start:%Y-%m-%d %H:%M} UTC"
            self._say(
                f"At {words(found.asof)} the last full minute was {minute}. Below each figure: what is known of that minute now."
            )
            for name, tile in self._tiles.items():
                tile.show(_shown(found.then, name), _shown(found.now, name))
            update(self._figures, visible=True)
        told = [
            f"{name} {version} (of {found.committed[name]:%m-%d %H:%M:%S})" for name, version in found.versions.items()
        ]
        update(self._versions, object=plain(f"Versions: {', '.join(told)}."), visible=True)

    def _say(self, sentence: str) -> None:
        update(self._told, object=plain(sentence), visible=bool(sentence))
        update(self._figures, visible=False)
        update(self._versions, visible=False)

    def _laid_out(self) -> Any:
        return pmui.Paper(
            pmui.Typography("As it was known at a moment", variant="h6", margin=0),
            pmui.Typography(
                "The tables keep their past versions: the headline as this page told it then.",
                variant="body2",
                sx=QUIET,
                margin=0,
            ),
            pmui.FlexBox(
                *self._picker.parts,
                self._go,
                self._clear,
                gap="12px",
                align_items="center",
                sizing_mode="stretch_width",
                margin=(12, 0),
            ),
            self._inquiry.view,
            self._told,
            self._figures,
            self._versions,
            elevation=0,
            margin=0,
            sx=CARD,
            sizing_mode="stretch_width",
        )


class _Tile:
    """One figure, then and now."""

    def __init__(self, title: str) -> None:
        self._then = pmui.Typography("–", variant="h5", sx=NUMBERS, margin=0)
        self._now = pmui.Typography("", variant="body2", sx=QUIET | NUMBERS, margin=0)
        label = pmui.Typography(title, variant="body2", sx=QUIET, margin=0)
        self.view = pmui.Column(label, self._then, self._now, styles={"flex": "1 1 140px"}, margin=(8, 0))

    def show(self, then: str, now: str) -> None:
        update(self._then, object=then)
        update(self._now, object=f"now {now}" if now != then else "now the same")


def _shown(headline: Headline | None, name: str) -> str:
    value = None if headline is None else getattr(headline, name)
    return "–" if value is None else FIGURES[name][1](value)
