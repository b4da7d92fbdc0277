"""How a figure looks, in both themes: colours that the colour-blind tell apart, one frame for all, and words for no data."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

WIDE_INCHES, NARROW_INCHES = (12.0, 5.25), (4.4, 5.6)
PAD_INCHES = 0.11
TITLE_POINTS, TEXT_POINTS, SMALL_POINTS = 12, 10, 8.5
ALONE_DAYS = 5 / 1440  # Matplotlib would show two years on either side
LEAST_EFFORT = 2  # of zlib: a tenth larger, a tenth of a second sooner


@dataclass(frozen=True)
class Look:
    """Colours of one theme; `amounts` and `signs` are colour maps from little to much and from -1 to 1; `gap` is no data."""

    background: str
    ink: str
    quiet: str
    line: str
    accent: str
    gap: str
    amounts: str
    signs: str


LOOKS = {
    "light": Look("#ffffff", "#1b2733", "#55606c", "#d5dae0", "#0072b2", "#e9ecef", "YlGnBu", "RdBu_r"),
    "dark": Look("#152030", "#e8edf2", "#aab6c3", "#354354", "#56b4e9", "#263343", "cividis", "icefire"),
}


def canvas(theme: str, narrow: bool) -> Figure:
    """An empty figure: 12 by 5.25 inches, or 4.4 by 5.6 for a narrow screen."""
    size = NARROW_INCHES if narrow else WIDE_INCHES
    layout = ConstrainedLayoutEngine(w_pad=PAD_INCHES, h_pad=PAD_INCHES)
    return Figure(size, facecolor=LOOKS[theme].background, layout=layout)


def dress(ax: Axes, look: Look, across: str = "", up: str = "", grid: str = "y") -> Axes:
    """Give axes the look: labels, quiet ticks, and a grid along `grid` (x, y, both or none)."""
    ax.set_facecolor(look.background)
    ax.set_xlabel(across, color=look.ink, fontsize=TEXT_POINTS)
    ax.set_ylabel(up, color=look.ink, fontsize=TEXT_POINTS)
    ax.tick_params(colors=look.quiet, labelcolor=look.ink, labelsize=SMALL_POINTS)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(look.line)
    ax.set_axisbelow(True)
    if grid != "none":
        ax.grid(axis=grid, color=look.line, linewidth=0.6)  # type: ignore[arg-type]
    return ax


def clock(ax: Axes, marks: int = 8) -> None:
    """Make the axis of x one of time in UTC, with at most so many marks; what is of one moment alone stands amid ten minutes."""
    first, last = ax.dataLim.intervalx
    if first == last:
        ax.set_xlim(first - ALONE_DAYS, last + ALONE_DAYS)
    locator = AutoDateLocator(maxticks=marks)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]


def dress_bar(bar: Any, look: Look, label: str) -> None:
    """Give a colour bar the look."""
    bar.set_label(label, color=look.ink, fontsize=SMALL_POINTS)
    bar.ax.tick_params(colors=look.quiet, labelcolor=look.ink, labelsize=SMALL_POINTS)
    bar.outline.set_visible(False)


def readable(ax: Axes) -> None:
    """Write a heat map's numbers in black or white, whichever stands out more from its cell."""
    mesh: Any = ax.collections[0]
    shown = ~np.ma.getmaskarray(mesh.get_array()).ravel()
    for text, colour in zip(ax.texts, mesh.get_facecolors()[shown], strict=False):
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3])
        text.set_color("black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "white")


def shortened(name: str, most: int) -> str:
    """A name of at most so many letters."""
    return name if len(name) <= most else name[: most - 1] + "…"


def framed(figure: Figure, title: str, caption: str, theme: str, narrow: bool) -> Figure:
    """The figure with its title above and its caption below."""
    look = LOOKS[theme]
    figure.suptitle(title, x=0.01, ha="left", color=look.ink, fontsize=TITLE_POINTS, fontweight="bold", wrap=True)
    text = textwrap.fill(caption, 62 if narrow else 170)
    figure.supxlabel(text, x=0.01, ha="left", color=look.quiet, fontsize=SMALL_POINTS)
    return figure


def png(figure: Figure, dpi: int) -> bytes:
    """The figure as PNG, pixel by pixel that of `savefig`, which would draw everything twice to lay it out; laid out for good."""
    figure.set_dpi(dpi)
    canvas, layout, written = FigureCanvasAgg(figure), figure.get_layout_engine(), io.BytesIO()
    if layout is not None:
        layout.execute(figure)
    figure.set_layout_engine("none")
    canvas.print_png(written, pil_kwargs={"compress_level": LEAST_EFFORT})  # type: ignore[no-untyped-call]
    return written.getvalue()


def in_words(sentence: str, theme: str, narrow: bool = False) -> Figure:
    """A figure that says why there is nothing to see."""
    figure = canvas(theme, narrow)
    figure.text(0.5, 0.5, sentence, ha="center", va="center", wrap=True, color=LOOKS[theme].ink, fontsize=TITLE_POINTS)
    return figure
