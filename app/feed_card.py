"""The choice of feed and area on the Control tab, with the quota planner's answer before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import panel_material_ui as pmui
from header import update
from look import CARD, QUIET
from plain_text import plain

from pipeline.errors import ContrailError
from pipeline.producer import ledger_of, plan_of
from pipeline.settings import SOURCES, Settings, load, of_feed, recordings

NAMES = {"simulator": "Simulated sky", "opensky": "OpenSky, the real sky", "replay": "A recording"}
NO_RECORDING = "none found"


class FeedCard:
    """Chooses a feed; `switch(settings)` is called when it is to be driven."""

    def __init__(
        self, started: Settings, current: Settings, switch: Callable[[Settings], None], *, may_act: bool
    ) -> None:
        self._started, self._switch = started, switch
        self._files = recordings(started)
        self._source = pmui.Select(
            label="Feed",
            options={NAMES[name]: name for name in SOURCES},
            value=current.source,
            size="small",
            margin=0,
            width=230,
        )
        self._area = pmui.TextInput(
            label="Area: world, or lamin,lomin,lamax,lomax in degrees",
            value="world" if current.box is None else ",".join(f"{one:g}" for one in current.box),
            size="small", margin=0, width=330,
        )  # fmt: skip
        names = [*self._files] or [NO_RECORDING]
        playing = Path(current.file or "").name
        self._file = pmui.Select(
            label="Recording", options=names, value=playing if playing in names else names[0],
            size="small", margin=0, width=230,
        )  # fmt: skip
        self._speed = pmui.TextInput(
            label="Speed (0: as fast as possible)", value=f"{current.speed:g}", size="small", margin=0, width=220
        )
        self._told = pmui.Typography("", variant="body2", sx=QUIET, margin=0)
        self._button = pmui.Button(
            label="Switch feed", size="small", margin=0, disabled=not may_act, on_click=lambda event: self._press()
        )
        for widget in (self._source, self._area, self._file, self._speed):
            widget.param.watch(lambda event: self._explain(), "value")
        self._explain()
        self.view = pmui.Paper(
            pmui.Typography("Feed and area", variant="h6", margin=0),
            pmui.FlexBox(
                self._source, self._area, self._file, self._speed, self._button,
                gap="12px", align_items="flex-end", margin=0, sizing_mode="stretch_width",
            ),
            self._told,
            elevation=0, margin=0, sx=CARD, css_classes=["feed-card"], styles={"flex": "1 1 100%", "minWidth": "0"},
        )  # fmt: skip

    def _chosen(self) -> Settings:
        source = self._source.value
        options: dict[str, str | None] = {"source": source, "box": self._area.value.strip() or "world"}
        if source == "replay":
            path = self._files.get(self._file.value)
            if path is None:
                raise ContrailError(
                    f"There is no recording in {self._started.recordings!r}: make one with `contrail record`, or set CONTRAIL_RECORDINGS."
                )
            options |= {"file": str(path), "speed": self._speed.value}
        return of_feed(load(**options), self._started)

    def _explain(self) -> None:
        source = self._source.value
        update(self._area, visible=source != "replay")
        update(self._file, visible=source == "replay")
        update(self._speed, visible=source == "replay")
        try:
            chosen = self._chosen()
            update(self._told, object=plain(explanation(chosen)))
        except ContrailError as error:
            update(self._told, object=plain(str(error)))

    def _press(self) -> None:
        try:
            self._switch(self._chosen())
        except ContrailError as error:
            update(self._told, object=plain(str(error)))


def explanation(chosen: Settings) -> str:
    """What a feed would do: for OpenSky what it costs, and where its sky is kept."""
    kept = f"Its tables are in {chosen.lake_root}."
    if chosen.source == "simulator":
        return f"{chosen.aircraft:,} computed aircraft, an answer every {chosen.interval:g} s. {kept}"
    if chosen.source == "replay":
        return (
            f"Played at {chosen.speed:g} times its speed. {kept}"
            if chosen.speed
            else f"Played as fast as possible. {kept}"
        )
    plan, ledger = plan_of(chosen), ledger_of(chosen)
    return (
        f"Account {plan.account}: a call costs {plan.credits_a_call} of {plan.credits_a_day:,} credits a day, {ledger.left:,} are left today. "
        f"So OpenSky is asked every {plan.interval_seconds:,.1f} s, {plan.calls_a_day:,} times a day, with {plan.reserve:.0%} in reserve. {kept}"
    )
