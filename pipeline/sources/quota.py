"""OpenSky's daily credits: what a call costs, how often one may call, and what was used today.

Costs and allowances: OpenSky REST API documentation, "Limitations".
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

Box = tuple[float, float, float, float]

DAY = 86_400
CREDITS_A_DAY = {"anonymous": 400, "standard": 4_000, "feeder": 8_000, "licensed": 14_400 * 24}
RESOLUTION_SECONDS = {"anonymous": 10.0, "standard": 5.0, "feeder": 5.0, "licensed": 5.0}
COST_BY_SQUARE_DEGREES = ((25, 1), (100, 2), (400, 3), (math.inf, 4))


def square_degrees(box: Box | None) -> float:
    """The area of a box (deg: south, west, north, east) as OpenSky counts it; the world's for None."""
    south, west, north, east = box or (-90.0, -180.0, 90.0, 180.0)
    return (north - south) * (east - west)


def cost(box: Box | None) -> int:
    """Credits of one call."""
    return next(credits for area, credits in COST_BY_SQUARE_DEGREES if square_degrees(box) <= area)


@dataclass(frozen=True)
class Plan:
    """How often to call for the credits to last the day around, and what that costs."""

    account: str
    square_degrees: float
    credits_a_call: int
    credits_a_day: int
    reserve: float
    interval_seconds: float

    @property
    def calls_a_day(self) -> int:
        """Calls at this interval from one midnight (UTC) to the next."""
        return int(DAY / self.interval_seconds)

    def lasts_hours(self, interval_seconds: float) -> float:
        """How long a whole day's credits would last with a call every so many seconds."""
        return self.credits_a_day / self.credits_a_call * interval_seconds / 3600


def plan(account: str, box: Box | None, reserve: float) -> Plan:
    """The plan of a whole day."""
    credits, price = CREDITS_A_DAY[account], cost(box)
    interval = DAY * price / (credits * (1 - reserve))
    return Plan(account, square_degrees(box), price, credits, reserve, max(RESOLUTION_SECONDS[account], interval))


class Ledger:
    """Credits used today (UTC), kept in a file so that a restart does not forget them."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self.plan = plan
        self.day, self.used = _today(), 0
        self.called = self.blocked_until = 0.0
        self._load()

    @property
    def left(self) -> int:
        """Credits that are left today."""
        self._roll()
        return max(0, self.plan.credits_a_day - self.used)

    def wait_seconds(self) -> float:
        """Until the next call: what is left today, less the reserve, is spread over the rest of the day.

        Counted from the last call, also one before a restart.
        """
        now = time.time()
        rest = DAY - now % DAY
        spendable = self.left - self.plan.credits_a_day * self.plan.reserve
        calls = int(spendable / self.plan.credits_a_call)
        interval = max(self.plan.interval_seconds, rest / max(1, calls))
        due = interval - max(0.0, now - self.called) if calls > 0 else rest
        return max(0.0, due, self.blocked_until - now)

    def spend(self) -> None:
        """Note a call, before it is made: a call that was cut off was counted over there all the same."""
        self._roll()
        self.used += self.plan.credits_a_call
        self.called = time.time()
        self._save()

    def correct(self, remaining: int) -> None:
        """Believe the API's own count where it is lower than ours."""
        self.used = max(self.used, self.plan.credits_a_day - remaining)
        self._save()

    def block(self, seconds: float) -> None:
        """Make no call for so long, also after a restart."""
        self.blocked_until = time.time() + seconds
        self._save()

    def _roll(self) -> None:
        if self.day != _today():
            self.day, self.used = _today(), 0

    def _load(self) -> None:
        try:
            kept = json.loads(self.path.read_text())
            self.called, self.blocked_until = float(kept["called"]), float(kept["blocked_until"])
            if kept["day"] == self.day:
                self.used = int(kept["used"])
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            # Unreadable: as if an even share of the day had been used, never as if nothing had.
            self.used = round(self.plan.credits_a_day * (time.time() % DAY) / DAY)

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".new")
        kept = {"day": self.day, "used": self.used, "called": self.called, "blocked_until": self.blocked_until}
        scratch.write_text(json.dumps(kept))
        scratch.replace(self.path)


def _today() -> str:
    return datetime.fromtimestamp(time.time(), UTC).date().isoformat()
