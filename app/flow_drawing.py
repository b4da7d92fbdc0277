"""The flow as a picture: every part with its state and how fast it is, and the way of the data between them."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

TITLES = {
    "feed": "Feed",
    "kafka": "Kafka",
    "bronze": "Bronze",
    "silver": "Silver",
    "quarantine": "Quarantine",
    "flight_phase_counts": "Gold: phases",
    "anomaly_alerts": "Gold: alerts",
    "phase_predictions": "Model: phases",
}
# Column and row of each part when the flow goes from left to right.
PLACES = {
    "feed": (0, 0.5),
    "kafka": (1, 0.5),
    "bronze": (2, 0.5),
    "silver": (3, 0),
    "quarantine": (3, 1),
    "flight_phase_counts": (4, 0),
    "anomaly_alerts": (4, 1),
    "phase_predictions": (4, 2),
}
# Where one that would be too far to the right goes on a narrow screen.
TALL = PLACES | {"phase_predictions": (5, 0.5)}
WAYS = (
    ("feed", "kafka"),
    ("kafka", "bronze"),
    ("bronze", "silver"),
    ("bronze", "quarantine"),
    ("silver", "flight_phase_counts"),
    ("silver", "anomaly_alerts"),
    ("silver", "phase_predictions"),
)
COLOURS = {
    "running": "#1b8a4b",
    "done": "#1b8a4b",
    "starting": "#0b76c5",
    "stopping": "#0b76c5",
    "stalled": "#c77700",
    "failed": "#d0342c",
    "stopped": "#7b8794",
}
WIDE, HIGH, ACROSS, DOWN = 168, 84, 212, 108
STYLE = """<style>
:host { display: block; width: 100%; }
svg { width: 100%; height: auto; max-height: 320px; font-family: Roboto, Arial, sans-serif; }
svg.tall { display: none; max-height: none; max-width: 420px; margin: 0 auto; }
@media (max-width: 700px) { svg.wide { display: none; } svg.tall { display: block; } }
text { fill: currentColor; }
</style>"""


@dataclass(frozen=True)
class Node:
    """A part as it is drawn."""

    name: str
    state: str
    words: tuple[str, str]


def nodes(status: dict[str, Any] | None) -> list[Node]:
    """The parts of a status; Kafka's state is told by its address."""
    if status is None:
        return [Node(name, "stopped", ("", "")) for name in PLACES]
    kafka = "running" if status["kafka"] else "stopped"
    found = [Node("kafka", kafka, (status["kafka"] or "", ""))]
    return found + [Node(name, part["state"], figures(part)) for name, part in status["parts"].items()]


def figures(part: dict[str, Any]) -> tuple[str, str]:
    """Rows and speed, batch time and lag of a part, as far as they are known."""
    speed = f" · {part['rows_per_second']:,.0f}/s" if part["rows_per_second"] else ""
    told = [f"{part['batch_ms']:,} ms"] if part["batch_ms"] else []
    told += [f"lag {part['lag_seconds']:,.0f} s"] if part["lag_seconds"] is not None else []
    return f"{part['rows_total']:,} rows{speed}", " · ".join(told)


def drawing(status: dict[str, Any] | None) -> str:
    """The flow as HTML: one picture for wide screens, one for narrow ones."""
    found = nodes(status)
    told = ", ".join(f"{TITLES[node.name]} {node.state}" for node in found)
    return STYLE + _picture(found, "wide", f"The flow: {told}") + _picture(found, "tall", f"The flow: {told}")


def _picture(found: list[Node], shape: str, label: str) -> str:
    width, height = (4 * ACROSS + WIDE, 2 * DOWN + HIGH) if shape == "wide" else (ACROSS + WIDE, 5 * DOWN + HIGH)
    ways = "".join(_way(start, end, shape) for start, end in WAYS)
    boxes = "".join(_box(node, shape) for node in found)
    frame = f'viewBox="-4 -4 {width + 8} {height + 8}" role="img" aria-label="{escape(label)}"'
    return f'<svg class="{shape}" {frame}>{ways}{boxes}</svg>'


def _place(name: str, shape: str) -> tuple[float, float]:
    column, row = (PLACES if shape == "wide" else TALL)[name]
    return (column * ACROSS, row * DOWN) if shape == "wide" else (row * ACROSS, column * DOWN)


def _way(start: str, end: str, shape: str) -> str:
    (x, y), (u, v) = _place(start, shape), _place(end, shape)
    if shape == "wide":
        x, y, u, v = x + WIDE, y + HIGH / 2, u, v + HIGH / 2
        bend = f"C {(x + u) / 2} {y} {(x + u) / 2} {v} {u} {v}"
    else:
        x, y, u, v = x + WIDE / 2, y + HIGH, u + WIDE / 2, v
        below = y + DOWN - HIGH  # from there straight on, between the boxes
        bend = f"C {x} {(y + below) / 2} {u} {(y + below) / 2} {u} {below} L {u} {v}"
    return f'<path d="M {x} {y} {bend}" fill="none" stroke="#8a97a6" stroke-width="2"/>'


def _box(node: Node, shape: str) -> str:
    x, y = _place(node.name, shape)
    colour = COLOURS[node.state]
    lines = (
        f'<text x="{x + 14}" y="{y + 24}" font-size="15" font-weight="600">{TITLES[node.name]}</text>'
        f'<circle cx="{x + 19}" cy="{y + 40}" r="5" fill="{colour}"/>'
        f'<text x="{x + 30}" y="{y + 45}" font-size="13">{node.state}</text>'
    )
    for number, words in enumerate(node.words):
        lines += f'<text x="{x + 14}" y="{y + 62 + 15 * number}" font-size="11.5" opacity="0.85">{escape(words)}</text>'
    frame = f'x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="10" fill="{colour}" fill-opacity="0.08"'
    return f'<rect {frame} stroke="{colour}" stroke-width="1.5"/>{lines}'
