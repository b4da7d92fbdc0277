"""OpenSky's API, played by a real server on this machine: every answer that it can give is taken or waited out."""

from __future__ import annotations

import gzip
import json
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from pipeline.drill.processes import wait_until
from pipeline.errors import FeedError
from pipeline.producer import Status, run
from pipeline.sources import Answer, opensky
from pipeline.sources.opensky import Access, OpenSky
from pipeline.sources.quota import Box, Ledger, plan

STATE = ["4b1814", "SWR1    ", "Switzerland", 99, 100, 8.5, 47.4, 1000, False, 100.5, 10, 5.2]
STATE += [None, 1100.0, "1000", False, 0, 4]
SWISS: Box = (45.8, 5.9, 47.8, 10.5)
ACCOUNT = ("my-id", "hush-hush")
DRIP = "the server says a word now and then"
SILENCE = "the server takes the call and says nothing"


def sky(at: int, *states: list[Any]) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps({"time": at, "states": states or None}).encode(), {}


def token(text: str, **more: Any) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps({"access_token": text, "token_type": "Bearer"} | more).encode(), {}


class Handler(BaseHTTPRequestHandler):
    """Notes what it is asked and says what stands next in the server's script."""

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        self.server.asked.append((where.path, dict(parse_qsl(where.query)), dict(self.headers)))
        self.say(self.server.answers.pop(0))

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.signed_in.append((self.path, dict(parse_qsl(form))))
        self.say(self.server.tokens.pop(0))

    def say(self, answer: Any) -> None:
        if answer == SILENCE:
            self.server.closing.wait(10)
            return
        if answer == DRIP:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            while not self.server.closing.wait(0.1):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
            return
        status, body, headers = answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on the test's screen."""


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.answers, made.asked, made.tokens, made.signed_in = [], [], [], []
    made.closing = threading.Event()
    made.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.closing.set()
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An account so rich that only trouble makes the feed wait longer than five seconds."""
    return Ledger(tmp_path / "quota.json", plan("licensed", SWISS, 0.1))


def polled(
    url: str, ledger: Ledger, calls: int, account: tuple[str, str] | tuple[()] = (), box: Box | None = SWISS
) -> SimpleNamespace:
    """What a feed does until it waits after so many calls: its answers, waits after a call, and what it reports."""
    waits: list[float] = []
    told: list[dict[str, Any]] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return len(waits) > calls

    feed = OpenSky(Access(f"{url}/api", f"{url}/token", *account), ledger, box)
    answers = list(feed.answers(wait, lambda **what: told.append(what)))
    troubles = [one["trouble"] for one in told if "trouble" in one]
    return SimpleNamespace(answers=answers, waits=waits[1:], troubles=troubles, told=told)


def test_an_anonymous_call_asks_for_categories_and_the_box_and_shows_no_authorization(server, ledger):
    server.answers = [sky(100, STATE)]
    feed = polled(server.url, ledger, 1)
    assert feed.answers == [Answer(100, [STATE])]
    ((path, query, headers),) = server.asked
    assert path == "/api/states/all"
    assert query == {"extended": "1", "lamin": "45.8", "lomin": "5.9", "lamax": "47.8", "lomax": "10.5"}
    assert "Authorization" not in headers
    assert server.signed_in == []


def test_the_whole_world_is_asked_for_without_a_box(server, ledger):
    server.answers = [sky(100, STATE)]
    polled(server.url, ledger, 1, box=None)
    assert server.asked[0][1] == {"extended": "1"}


def test_an_account_signs_in_as_openid_connect_has_it_and_keeps_its_token(server, ledger):
    server.tokens = [token("t1", expires_in=1800)]
    server.answers = [sky(100, STATE), sky(110, STATE)]
    polled(server.url, ledger, 2, ACCOUNT)
    form = {"grant_type": "client_credentials", "client_id": "my-id", "client_secret": "hush-hush"}
    assert server.signed_in == [("/token", form)]
    assert [headers["Authorization"] for _, _, headers in server.asked] == ["Bearer t1", "Bearer t1"]


def test_a_token_is_renewed_half_a_minute_before_it_ends(server, ledger):
    server.tokens = [token("t1", expires_in=29), token("t2", expires_in=600)]
    server.answers = [sky(100, STATE), sky(110, STATE), sky(120, STATE)]
    polled(server.url, ledger, 3, ACCOUNT)
    assert [headers["Authorization"] for _, _, headers in server.asked] == ["Bearer t1", "Bearer t2", "Bearer t2"]


def test_a_token_that_expired_early_is_renewed_and_the_call_made_again_at_once(server, ledger):
    server.tokens = [token("t1"), token("t2")]
    server.answers = [sky(100, STATE), (401, b"", {}), sky(110, STATE)]
    feed = polled(server.url, ledger, 2, ACCOUNT)
    assert [answer.time for answer in feed.answers] == [100, 110]
    assert [headers["Authorization"] for _, _, headers in server.asked] == ["Bearer t1", "Bearer t1", "Bearer t2"]
    assert feed.troubles == [None, None]


def test_a_second_401_in_a_row_is_trouble_and_not_another_call(server, ledger):
    server.tokens = [token("t1"), token("t2")]
    server.answers = [(401, b"", {}), (401, b"", {})]
    feed = polled(server.url, ledger, 1, ACCOUNT)
    assert feed.troubles == ["OpenSky refuses access (HTTP 401): check the account"]
    assert feed.waits == [600]
    assert ledger.used == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_anonymous_call_is_waited_out_for_ten_minutes(server, ledger, status: int):
    server.answers = [(status, b"", {}), sky(100, STATE)]
    feed = polled(server.url, ledger, 2)
    assert feed.troubles == [f"OpenSky refuses access (HTTP {status}): check the account", None]
    assert feed.waits[0] == 600
    assert len(feed.answers) == 1


def test_refused_credentials_end_the_feed_with_the_cure_and_without_the_secret(server, ledger):
    server.tokens = [(401, b'{"error": "invalid_client", "given": "hush-hush"}', {})]
    with pytest.raises(FeedError, match="refuses the credentials: check CONTRAIL_OPENSKY_CLIENT_ID") as refused:
        polled(server.url, ledger, 1, ACCOUNT)
    assert "hush" not in str(refused.value)
    assert server.asked == []


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ((503, b"hush-hush", {}), "OpenSky gives no token (HTTP 503)"),
        ((200, b"<html>hush-hush</html>", {}), "OpenSky's token answer is garbage"),
        ((200, b'["hush-hush"]', {}), "OpenSky's token answer is garbage"),
        ((200, b'{"access_token": "hush", "expires_in": "soon"}', {}), "OpenSky's token answer is garbage"),
    ],
)
def test_trouble_at_the_sign_in_is_waited_out_and_shows_no_secret(server, ledger, answer: Any, trouble: str):
    server.tokens = [answer, token("t2")]
    server.answers = [sky(100, STATE)]
    feed = polled(server.url, ledger, 2, ACCOUNT)
    assert feed.troubles == [trouble, None]
    assert [answer.time for answer in feed.answers] == [100]
    assert "hush" not in str(feed.told)


def test_what_went_wrong_is_published_before_the_feed_waits(server, settings, tmp_path):
    server.answers = [(403, b"", {})]
    changed = replace(settings, source="opensky", opensky_url=f"{server.url}/api")
    status, stop = Status(tmp_path / "feed.json", "opensky"), threading.Event()
    feed = threading.Thread(target=run, args=(changed, status, stop))
    feed.start()
    try:
        wait_until(lambda: status.path.exists() and "403" in status.path.read_text(), 20, "the trouble is told")
    finally:
        stop.set()
        feed.join()


def test_used_up_credits_are_waited_for_as_long_as_the_api_says_also_after_a_restart(server, ledger):
    server.answers = [(429, b"", {"X-Rate-Limit-Retry-After-Seconds": "22688"})]
    feed = polled(server.url, ledger, 1)
    assert feed.troubles == ["OpenSky's credits are used up; it asks to wait 22,688 s"]
    assert feed.waits == [22_688]
    restarted = polled(server.url, Ledger(ledger.path, ledger.plan), 0)
    assert 22_000 < restarted.told[0]["next_call"] - time.time() <= 22_688
    assert len(server.asked) == 1


def test_a_429_that_does_not_say_how_long_is_waited_out_for_ten_minutes(server, ledger):
    server.answers = [(429, b"", {}), (429, b"", {"X-Rate-Limit-Retry-After-Seconds": "soon"})]
    feed = polled(server.url, ledger, 2)
    assert feed.waits == [600, 600]


def test_a_failing_server_is_asked_less_and_less_often_until_it_answers_again(server, ledger):
    server.answers = [(502, b"", {})] * 9 + [sky(100, STATE), (503, b"", {})]
    feed = polled(server.url, ledger, 11)
    assert feed.waits[:9] == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    assert feed.waits[10] == 5
    assert feed.troubles == ["OpenSky answers HTTP 502"] * 9 + [None, "OpenSky answers HTTP 503"]


BROKEN = {
    "garbage": (200, b"\x00\xff garbage", {}),
    "an HTML page": (200, b"<html><body>Down for maintenance</body></html>", {"Content-Type": "text/html"}),
    "a JSON list": (200, b"[1, 2]", {}),
    "a number": (200, b"12", {}),
    "no time": (200, b'{"states": []}', {}),
    "a time of text": (200, b'{"time": "noon", "states": []}', {}),
    "a time that is no number": (200, b'{"time": true, "states": []}', {}),
    "states of text": (200, b'{"time": 100, "states": "none"}', {}),
    "nothing": (200, b"", {}),
    "gzip cut short": (200, gzip.compress(sky(100, STATE)[1])[:60], {"Content-Encoding": "gzip"}),
    "no gzip at all": (200, b"plain", {"Content-Encoding": "gzip"}),
    "half of what was announced": (200, b'{"time": 100, "sta', {"Content-Length": "4000", "Connection": "close"}),
    "far more than any sky": (200, gzip.compress(b" " * (65 << 20), 1), {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_trouble_and_the_next_one_is_taken(server, ledger, answer: Any, monkeypatch):
    monkeypatch.setattr(opensky, "TIMEOUT_SECONDS", 2)
    server.answers = [answer, sky(110, STATE)]
    feed = polled(server.url, ledger, 2)
    assert feed.answers == [Answer(110, [STATE])]
    assert feed.troubles[0].startswith("OpenSky")
    assert feed.troubles[1:] == [None]
    assert feed.waits[0] == 5


def test_a_server_that_says_nothing_is_given_up_after_the_time_out(server, ledger, monkeypatch):
    monkeypatch.setattr(opensky, "TIMEOUT_SECONDS", 0.2)
    server.answers = [SILENCE, sky(100, STATE)]
    feed = polled(server.url, ledger, 2)
    assert feed.troubles == ["OpenSky does not answer (ReadTimeout)", None]
    assert len(feed.answers) == 1


def test_a_server_that_is_not_there_is_trouble_that_shows_no_secret(ledger):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        feed = polled(url, ledger, 2, ACCOUNT)
    assert feed.troubles == ["OpenSky does not answer (ConnectionError)"] * 2
    assert feed.waits == [5, 10]
    assert "hush" not in str(feed.told)


def test_an_empty_sky_is_an_answer_without_states(server, ledger):
    server.answers = [sky(100)]
    assert polled(server.url, ledger, 1).answers == [Answer(100, [])]


def test_a_compressed_answer_is_read(server, ledger):
    server.answers = [(200, gzip.compress(sky(100, STATE)[1]), {"Content-Encoding": "gzip"})]
    assert polled(server.url, ledger, 1).answers == [Answer(100, [STATE])]


def test_the_same_sky_answered_twice_is_skipped_and_so_is_an_older_one(server, ledger):
    server.answers = [sky(100, STATE), sky(100, STATE), sky(95, STATE), sky(110, STATE)]
    assert [answer.time for answer in polled(server.url, ledger, 4).answers] == [100, 110]


def test_states_are_handed_on_as_they_came_for_quarantine_to_judge(server, ledger):
    server.answers = [(200, b'{"time": 100, "states": [["4b1814"], 7, null, {"a": 1}]}', {})]
    assert polled(server.url, ledger, 1).answers == [Answer(100, [["4b1814"], 7, None, {"a": 1}])]


def test_calls_are_made_at_the_plans_interval_and_noted(server, tmp_path):
    ledger = Ledger(tmp_path / "quota.json", plan("standard", None, 0.1))
    status, body, _ = sky(100, STATE)
    server.answers = [(status, body, {"X-Rate-Limit-Remaining": "3000"})]
    feed = polled(server.url, ledger, 1, box=None)
    assert feed.waits[0] > 90
    assert feed.told[-1]["credits_left"] == 3_000
    assert Ledger(ledger.path, ledger.plan).left == 3_000


def test_a_sky_of_a_time_to_come_is_trouble_and_does_not_outlast_those_that_follow(server, ledger):
    now = int(time.time())
    server.answers = [sky(now + 86_400, STATE), sky(now, STATE)]
    feed = polled(server.url, ledger, 2)
    assert feed.answers == [Answer(now, [STATE])]
    assert "time to come" in feed.troubles[0]


def test_skies_of_a_time_to_come_are_waited_out_longer_and_longer(server, ledger):
    server.answers = [sky(int(time.time()) + 86_400, STATE)] * 4
    assert polled(server.url, ledger, 4).waits == pytest.approx([5, 10, 20, 40], abs=1)


def test_a_clock_that_went_back_is_told(server, ledger):
    server.answers = [sky(5_000, STATE), sky(1_000, STATE)]
    feed = polled(server.url, ledger, 2)
    assert len(feed.answers) == 1
    assert "went back by 4,000 s" in feed.troubles[-1]


@pytest.mark.parametrize("told", ["9" * 5_000, "\u00b2", "-1"])
def test_headers_that_are_no_sensible_number_are_passed_over(server, ledger, told: str):
    status, body, _ = sky(100, STATE)
    server.answers = [
        (status, body, {"X-Rate-Limit-Remaining": told}),
        (429, b"", {"X-Rate-Limit-Retry-After-Seconds": told}),
    ]
    feed = polled(server.url, ledger, 2)
    assert len(feed.answers) == 1
    assert feed.waits[-1] == pytest.approx(600, abs=1)


def test_a_token_answer_of_any_size_is_not_read_to_its_end(server, ledger):
    server.tokens = [(200, b"x" * 1_000_000, {})]
    feed = polled(server.url, ledger, 1, ACCOUNT)
    assert "larger than" in feed.troubles[0]


def test_an_answer_that_drips_is_given_up(server, ledger, monkeypatch):
    monkeypatch.setattr(opensky, "ANSWER_SECONDS", 0.5)
    server.answers = [DRIP]
    feed = polled(server.url, ledger, 1)
    assert feed.troubles == ["OpenSky's answer takes longer than 0.5 s"]


def test_a_server_without_a_trusted_certificate_gets_neither_secret_nor_token(tmp_path):
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *named], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    heard: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path)

        def do_GET(self) -> None:
            heard.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Listening) as impostor:
        impostor.socket = context.wrap_socket(impostor.socket, server_side=True)
        impostor.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=impostor.serve_forever, daemon=True).start()
        address = f"https://127.0.0.1:{impostor.server_port}"
        for number, account in enumerate((ACCOUNT, (None, None))):
            words = troubles(
                OpenSky(Access(address, f"{address}/token", *account), fresh(tmp_path / str(number)), None)
            )
            assert "no certificate that this machine trusts" in " ".join(words)
        impostor.shutdown()
    assert heard == []


def test_a_connection_that_breaks_in_the_handshake_is_tried_again_soon(ledger):
    class HangsUp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), HangsUp) as flapping:
        threading.Thread(target=flapping.serve_forever, daemon=True).start()
        feed = polled(f"https://127.0.0.1:{flapping.server_address[1]}", ledger, 2)
        flapping.shutdown()
    assert feed.waits == pytest.approx([5, 10], abs=1)
    assert all(told.startswith("OpenSky does not answer") for told in feed.troubles)


def test_a_redirect_takes_neither_secret_nor_token_elsewhere(server, tmp_path):
    server.tokens = [(307, b"", {"Location": f"{server.url}/elsewhere"})]
    feed = OpenSky(Access(server.url, f"{server.url}/token", *ACCOUNT), fresh(tmp_path / "quota.json"), None)
    assert "HTTP 307" in " ".join(troubles(feed))
    assert [path for path, _ in server.signed_in] == ["/token"]
    assert server.asked == []


def fresh(path: Path) -> Ledger:
    return Ledger(path, plan("standard", None, 0.1))


def troubles(feed: OpenSky) -> list[str]:
    """What one call of a feed complains of; it brings no answer."""
    waits, told = iter([False, True]), []
    assert list(feed.answers(lambda _: next(waits), lambda **more: told.append(str(more.get("trouble"))))) == []
    return told
