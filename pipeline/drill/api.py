"""An API that answers otherwise than it should, played by a real server: the feed waits it out and goes on."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson

from pipeline.drill.case import Case, Extent
from pipeline.drill.processes import wait_until
from pipeline.drill.rig import Rig
from pipeline.errors import DrillError
from pipeline.sources.simulator import Sky

SILENCE_SECONDS = 35  # longer than the feed waits for a word
HUGE_BYTES = 200 * 1024 * 1024
MOST_GROWTH_MB = 300
NOTICED_SECONDS = 120


class Handler(BaseHTTPRequestHandler):
    """A good answer, unless the server's `fault` says otherwise; that one is given once."""

    server: Api

    def do_POST(self) -> None:
        """A token."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.say(200, orjson.dumps({"access_token": "drill", "expires_in": 1800}))

    def do_GET(self) -> None:
        """The sky as it is now."""
        fault, self.server.fault = self.server.fault, None
        if fault is not None:
            self.server.given += 1
            fault(self)
            return
        answer = self.server.sky.answer(self.server.time or int(time.time()))
        self.say(200, orjson.dumps({"time": answer.time, "states": answer.states}))

    def say(self, status: int, body: bytes, **headers: str) -> None:
        """An answer with its headers; an underscore in their names stands for a dash."""
        self.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""


Fault = Callable[[Handler], None]


class Api(ThreadingHTTPServer):
    """The server: `fault` is given as the next answer; with `time` (s since 1970) the sky stands still."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A feed that hangs up on 200 MB is what it should be."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.sky, self.time, self.given = Sky(80, seed=5), 0, 0
        self.fault: Fault | None = None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Flown(Rig):
    """A rig with a feed of its own, from an API that the drill plays."""

    def __init__(self, folder: Path, api: Api) -> None:
        address = f"http://127.0.0.1:{api.server_port}"
        told = {
            "SOURCE": "opensky", "OPENSKY_URL": address, "OPENSKY_TOKEN_URL": f"{address}/token",
            "OPENSKY_CLIENT_ID": "drill", "OPENSKY_CLIENT_SECRET": "drill", "OPENSKY_ACCOUNT": "licensed",
            "BOX": "-20,-20,20,20",
        }  # fmt: skip
        super().__init__(folder, {f"CONTRAIL_{name}": value for name, value in told.items()}, feed=True)
        self.api = api

    def rest(self) -> None:
        """Let nothing new come."""
        self.api.time = int(time.time())

    def trouble(self) -> str:
        """What the feed says of itself."""
        return str(self.part("feed").get("cause") or "")


@contextmanager
def stand(here: Path) -> Iterator[Rig]:
    """A pipeline whose feed asks the drill's API."""
    with Api() as api:
        try:
            with Flown(here / "rig", api).standing() as rig:
                yield rig
        finally:
            api.shutdown()


def silent(to: Handler) -> None:
    """Takes the call and says nothing."""
    time.sleep(SILENCE_SECONDS)


def huge(to: Handler) -> None:
    """200 MB, and the feed hangs up before."""
    to.send_response(200)
    to.send_header("Content-Length", str(HUGE_BYTES))
    to.end_headers()
    piece = b"x" * (1 << 20)
    for _ in range(HUGE_BYTES >> 20):
        to.wfile.write(piece)


def bomb(to: Handler) -> None:
    """200 MB in 200 kB."""
    to.say(200, gzip.compress(b" " * HUGE_BYTES), Content_Encoding="gzip")


def cut(to: Handler) -> None:
    """Half of a compressed answer."""
    body = gzip.compress(orjson.dumps({"time": int(time.time()), "states": []}) * 100)
    to.say(200, body[: len(body) // 2], Content_Encoding="gzip")


def refused(status: int, **headers: str) -> Fault:
    """An answer that is none."""
    return lambda to: to.say(status, b"<html>no</html>", **headers)


# Words of the feed -> what the API does. 401 is answered by another token, at once.
FAULTS: tuple[tuple[str, Fault], ...] = (
    ("", refused(401)),
    ("credits are used up", refused(429, X_Rate_Limit_Retry_After_Seconds="2")),
    ("HTTP 500", refused(500)),
    ("HTTP 502", refused(502)),
    ("garbage", lambda to: to.say(200, b"<html>maintenance</html>")),
    ("OpenSky", cut),
    ("larger than 64 MB", huge),
    ("larger than 64 MB", bomb),
    ("of a time to come", lambda to: to.say(200, orjson.dumps({"time": int(time.time()) + 86_400, "states": []}))),
)


def api(rig: Rig, extent: Extent) -> str:
    """Each once, with good answers between them; at last 403, after which the feed waits for ten minutes unless it is started."""
    assert isinstance(rig, Flown)
    faults = FAULTS if extent.slow else FAULTS[:2] + FAULTS[5:]
    (feed,) = rig.children("pipeline.producer")
    before = feed.memory_info().rss
    if extent.slow:
        faults = (*faults, ("does not answer", silent))
    for words, fault in faults:
        meet(rig, words, fault)
    grown = (feed.memory_info().rss - before) / (1 << 20)
    if grown > MOST_GROWTH_MB:
        raise DrillError(f"The feed has grown by {grown:.0f} MB.")
    meet(rig, "refuses access (HTTP 403)", refused(403), mended=False)
    rig.terminate()
    rig.launch()
    return f"{len(faults) + 1} wrong answers were named and waited out; the feed grew by {grown:.0f} MB"


def meet(rig: Flown, words: str, fault: Fault, *, mended: bool = True) -> None:
    """Let the feed meet a fault, and say so, and take the next answer that is good."""
    given = rig.api.given
    rig.api.fault = fault
    wait_until(lambda: rig.api.given > given, NOTICED_SECONDS, "the feed asks")
    if words:
        wait_until(
            lambda: words in rig.trouble(), NOTICED_SECONDS, lambda: f"the feed says {words!r}, not {rig.trouble()!r}"
        )
    if mended:
        wait_until(lambda: not rig.trouble(), NOTICED_SECONDS, lambda: f"the feed goes on: {rig.trouble()}")


CASES = (Case("api", "an API that times out, refuses, or answers garbage, half an answer or 200 MB", api, stand),)
