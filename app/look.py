"""How the page looks: Material's theme in both modes, and the few styles that it has no setting for."""

from __future__ import annotations

from typing import Any

_TYPE = {"fontFamily": "Roboto, 'Helvetica Neue', Arial, sans-serif"}
_SHAPE = {"borderRadius": 10}


_BAR = {"styleOverrides": {"root": {"backgroundColor": "#12304d", "backgroundImage": "none", "color": "#ffffff"}}}

# What a screen reader says of parts that the components leave without a name.
_NAMES = {
    "MuiLinearProgress": {"defaultProps": {"aria-label": "Working"}},
    "MuiIconButton": {"defaultProps": {"aria-label": "Step the value"}},
}


def _mode(**palette: Any) -> dict[str, Any]:
    return {"palette": palette, "typography": _TYPE, "shape": _SHAPE, "components": {"MuiAppBar": _BAR} | _NAMES}


THEME = {
    "light": _mode(
        primary={"main": "#12436d"},
        secondary={"main": "#0072b2"},
        success={"main": "#1b7a3d"},
        warning={"main": "#9a5b00"},
        error={"main": "#b3261e"},
        info={"main": "#0b63a5"},
        background={"default": "#f4f6f9", "paper": "#ffffff"},
    ),
    "dark": _mode(
        primary={"main": "#8cc4f0"},
        secondary={"main": "#56b4e9"},
        success={"main": "#6fd195"},
        warning={"main": "#ffb74d"},
        error={"main": "#ff8a80"},
        info={"main": "#81c7f5"},
        background={"default": "#0d1520", "paper": "#152030"},
    ),
}

STYLES = """
:root { --card-gap: 16px; }
html, body { overflow-x: hidden; }
"""

CARD = {"p": 2, "border": "1px solid", "borderColor": "divider"}
NUMBERS = {"fontVariantNumeric": "tabular-nums"}
QUIET = {"color": "text.secondary"}
