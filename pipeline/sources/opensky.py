"""OpenSky's REST API: polled within the day's credits, through every answer that it can give.

Rules: OpenSky REST API documentation (`/states/all`, OAuth2 client credentials, rate limits).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import requests
import urllib3

from pipeline.errors import FeedError
from pipeline.sources import Answer, Report, Wait
from pipeline.sources.quota import Box, Ledger

TIMEOUT_SECONDS = 30
ANSWER_SECONDS = 120  # for all of an answer: one that drips is never silent for as long as the timeout
LARGEST_ANSWER = 64 * 1024 * 1024
LARGEST_TOKEN = 64 * 1024
AHEAD_SECONDS, BEHIND_SECONDS = 300, 60
LONGEST_BLOCK_SECONDS = 86_400.0
TOKEN_MARGIN_SECONDS = 30
UNTRUSTED = (
    "What answers in OpenSky's name has no certificate that this machine trusts, so nothing was sent: check the clock, "
    "the system's certificates, and who is in between"
)
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 5.0, 600.0


class Troubled(Exception):
    """An answer that is none, with how long to wait (s; None: the usual backoff)."""

    def __init__(self, cause: str, wait: float | None = None) -> None:
        super().__init__(cause)
        self.wait = wait


@dataclass(frozen=True)
class Access:
    """Where the API is and how one signs in; without an id the access is anonymous."""

    url: str
    token_url: str
    client_id: str | None = None
    client_secret: str | None = None


class OpenSky:
    """A feed of the real sky; `box` in deg (south, west, north, east), None for the world."""

    name = "opensky"

    def __init__(self, access: Access, ledger: Ledger, box: Box | None) -> None:
        self.access = access
        self.ledger = ledger
        self.box = box
        self._session = requests.Session()
        self._token = ""
        self._token_until = 0.0

    def answers(self, wait: Wait, report: Report) -> Iterator[Answer]:
        """New answers; trouble is reported and waited out, and never ends the feed unless the credentials are refused."""
        latest, backoff, pause = -1, FIRST_BACKOFF_SECONDS, 0.0
        while True:
            pause = max(pause, self.ledger.wait_seconds())
            report(credits_left=self.ledger.left, next_call=time.time() + pause)
            if wait(pause):
                return
            pause = 0.0
            try:
                answer = self._poll()
                report(credits_left=self.ledger.left, trouble=_odd_clock(answer.time, latest))
                backoff = FIRST_BACKOFF_SECONDS
                if answer.time > latest:
                    latest = answer.time
                    yield answer
            except Troubled as trouble:
                pause = backoff if trouble.wait is None else trouble.wait
                backoff = min(LONGEST_BACKOFF_SECONDS, backoff * 2) if trouble.wait is None else backoff
                report(credits_left=self.ledger.left, trouble=str(trouble))

    def _poll(self) -> Answer:
        """One call. Raises Troubled with what went wrong."""
        for attempt in ("first", "second"):
            self.ledger.spend()
            try:
                with self._get() as response:
                    if response.status_code == 401 and self.access.client_id and attempt == "first":
                        self._token = ""  # expired early: a new token, once
                        continue
                    return self._understood(response)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                # Not by the error's type: requests calls a connection that broke in the handshake an SSLError too.
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise Troubled(UNTRUSTED, LONGEST_BACKOFF_SECONDS) from None
                raise Troubled(f"OpenSky does not answer ({type(error).__name__})") from None
        raise AssertionError("a second attempt returns or raises")

    def _get(self) -> requests.Response:
        parameters: dict[str, Any] = {"extended": 1}
        if self.box:
            parameters |= dict(zip(("lamin", "lomin", "lamax", "lomax"), self.box, strict=True))
        headers = {"Authorization": f"Bearer {self._valid_token()}"} if self.access.client_id else {}
        return self._session.get(
            f"{self.access.url}/states/all",
            params=parameters,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            stream=True,
            allow_redirects=False,  # a token goes where it was meant to go, and nowhere else
        )

    def _valid_token(self) -> str:
        if self._token and time.time() < self._token_until:
            return self._token
        form = {
            "grant_type": "client_credentials",
            "client_id": self.access.client_id,
            "client_secret": self.access.client_secret,
        }
        with requests.post(
            self.access.token_url, data=form, timeout=TIMEOUT_SECONDS, stream=True, allow_redirects=False
        ) as response:
            return self._taken_token(response)

    def _taken_token(self, response: requests.Response) -> str:
        if response.status_code in (400, 401, 403):
            raise FeedError(
                "OpenSky refuses the credentials: check CONTRAIL_OPENSKY_CLIENT_ID and its secret, or make new ones."
            )
        if response.status_code != 200:
            raise Troubled(f"OpenSky gives no token (HTTP {response.status_code})")
        try:
            given = orjson.loads(_body(response, LARGEST_TOKEN))
            self._token, lifetime = str(given["access_token"]), float(given.get("expires_in", 1800))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Troubled("OpenSky's token answer is garbage") from None
        self._token_until = time.time() + lifetime - TOKEN_MARGIN_SECONDS
        return self._token

    def _understood(self, response: requests.Response) -> Answer:
        remaining = response.headers.get("X-Rate-Limit-Remaining", "")
        if _is_count(remaining):
            self.ledger.correct(int(remaining))
        if response.status_code == 429:
            told = response.headers.get("X-Rate-Limit-Retry-After-Seconds", "")
            seconds = min(float(told), LONGEST_BLOCK_SECONDS) if _is_count(told) else LONGEST_BACKOFF_SECONDS
            self.ledger.block(seconds)
            raise Troubled(f"OpenSky's credits are used up; it asks to wait {seconds:,.0f} s", seconds)
        if response.status_code in (401, 403):
            raise Troubled(
                f"OpenSky refuses access (HTTP {response.status_code}): check the account", LONGEST_BACKOFF_SECONDS
            )
        if response.status_code != 200:
            raise Troubled(f"OpenSky answers HTTP {response.status_code}")
        return _answer(_body(response))


def _is_count(text: str) -> bool:
    """Whether a header is a number of a sensible length; others' digits are none."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _odd_clock(when: int, latest: int) -> str | None:
    """What is odd about an answer's time. Raises Troubled when it lies ahead: taken, it would outlast all that follow."""
    if when > time.time() + AHEAD_SECONDS:
        raise Troubled(f"OpenSky's answer is of a time to come ({when}): check this machine's clock")
    if when < latest - BEHIND_SECONDS:
        return f"OpenSky's clock went back by {latest - when:,} s: nothing is taken until it has caught up"
    return None


def _body(response: requests.Response, most: int = LARGEST_ANSWER) -> bytes:
    """The body, unless it is far larger than any sky, or takes too long."""
    body = bytearray()
    began = time.monotonic()
    late = threading.Timer(ANSWER_SECONDS, response.raw.shutdown)  # a close would wait for the read in hand
    late.daemon = True
    late.start()
    try:
        for chunk in response.iter_content(1 << 16):
            body += chunk
            if len(body) > most:
                raise Troubled(f"OpenSky's answer is larger than {most / (1 << 20):g} MB")
    except requests.RequestException:
        if time.monotonic() - began < ANSWER_SECONDS:
            raise
        raise Troubled(f"OpenSky's answer takes longer than {ANSWER_SECONDS} s") from None
    finally:
        late.cancel()
    return bytes(body)


def _answer(body: bytes) -> Answer:
    """The answer in a body; what is wrong inside a state is left to quarantine."""
    try:
        told = orjson.loads(body)
        when, states = told["time"], told["states"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Troubled(f"OpenSky's answer is garbage: {body[:40]!r}") from None
    if type(when) is not int or not (states is None or isinstance(states, list)):
        raise Troubled("OpenSky's answer has no time or no states")
    return Answer(when, states or [])
