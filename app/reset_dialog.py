"""The guard before a stream's checkpoint is reset: what it means, and the stream's name typed out."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui
from header import update
from plain_text import plain

from pipeline.resets import Plan


class ResetDialog:
    """Asks before a reset; `confirm(stream, typed)` returns what to tell the user, nothing when all is well."""

    def __init__(self, confirm: Callable[[str, str], str]) -> None:
        self._confirm = confirm
        self._stream = ""
        self._words = pmui.Typography("", variant="body1")
        self._typed = pmui.TextInput(label="The stream's name", sizing_mode="stretch_width")
        self._told = pmui.Typography("", variant="body2", color="error")
        self._button = pmui.Button(
            label="Reset the stream", color="error", disabled=True, on_click=lambda event: self._press()
        )
        self._typed.param.watch(lambda event: self._look(), ["value", "value_input"])
        self.view = pmui.Dialog(
            self._words,
            self._typed,
            self._told,
            self._button,
            show_close_button=True,
            close_on_click=True,
            width_option="sm",
        )

    def ask(self, plan: Plan) -> None:
        """Open for a stream."""
        self._stream = plan.stream
        words = f"{plan.words} These streams begin anew: {', '.join(plan.streams)}. Type {plan.stream} to go on."
        update(self._words, object=words)
        self._typed.param.update(value="", value_input="")
        update(self._told, object="")
        self.view.param.update(title=f"Reset {plan.stream}?", open=True)

    def _text(self) -> str:
        return str(self._typed.value_input or self._typed.value or "").strip()

    def _look(self) -> None:
        update(self._button, disabled=self._text() != self._stream)

    def _press(self) -> None:
        told = self._confirm(self._stream, self._text())
        update(self._told, object=plain(told))
        if not told:
            self.view.open = False
