"""What stands in SECURITY.md, tried on the page's real server: sockets, rights, paths, cookies, secrets, hostile data."""

from __future__ import annotations

import gzip
import http.client
import json
import re
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import orjson
import pytest
from playwright.sync_api import Browser, expect
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClosedError

from pipeline import ops
from pipeline.drill.browser import garbage
from pipeline.sources.simulator import Sky
from pipeline.tables import Lake
from tests import raw_socket
from tests.browsing import TABS, open_tab, served, settled, watched
from tests.raw_socket import answered, change, connected, document, event, models, new_session, send
from tests.small_sky import START

HOSTILE = "<img src=x onerror='window.broken=1'>"
HOSTILE_IN = {"Map", "Alerts"}  # the views that show texts of the feed at once
MARKERS = {
    "CONTRAIL_OPENSKY_CLIENT_ID": "marker-of-the-client",
    "CONTRAIL_OPENSKY_CLIENT_SECRET": "marker-secret-of-opensky",
    "CONTRAIL_S3_ACCESS_KEY": "marker-of-the-key",
    "CONTRAIL_S3_SECRET_KEY": "marker-secret-of-s3",
    "CONTRAIL_S3_SESSION_TOKEN": "marker-secret-token-of-s3",
    "PANEL_COOKIE_SECRET": "marker-secret-of-the-cookies",
    "AWS_SECRET_ACCESS_KEY": "marker-secret-of-aws",
}
SECRETS = [marker for marker in MARKERS.values() if "secret" in marker]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def quiet(folder: Path) -> Iterator[str]:
    """A page whose pipeline stands still."""
    with served(folder, {"CONTRAIL_AUTOSTART": "no", "PYTHONPATH": str(folder)}) as address:
        yield address


# A browser that sends garbage


def unknown_events() -> Iterator[object]:
    """Contents of patches that name what is not there, or ask for what must not be."""
    yield {"events": [change("p999999", "disabled", False)]}
    yield {"events": [event("button_click", "p999999")]}
    yield {"events": [event("no_such_event", "p1")]}
    yield {"events": [{"kind": "RootRemoved", "model": {"id": "p999999"}}, {"kind": "Nonsense"}]}
    yield {
        "events": [
            {"kind": "RootAdded", "model": {"type": "object", "name": "os.system", "id": "p1", "attributes": {}}}
        ]
    }
    yield {
        "events": [
            {"kind": "ColumnsStreamed", "model": {"id": "p1"}, "attr": "data", "data": {"a": [1]}, "rollover": -1}
        ]
    }
    yield {"events": [{"kind": "MessageSent", "msg_type": "x" * 1000, "msg_data": [[[[]]]]}]}
    yield {"events": {"a": 1}}
    yield {"events": [None, 7, [], "x"]}
    yield {"events": [{"kind": "TitleChanged", "title": {"type": "symbol", "name": "x"}}]}


async def throw_garbage(address: str) -> None:
    session = new_session()  # one for all: what is built for it is not what is tried here
    for frames in garbage():
        async with connected(address, session=session) as socket:
            try:
                for frame in frames:
                    await socket.write_message(frame, binary=isinstance(frame, bytes))
            except WebSocketClosedError:
                continue  # the server has had enough of it
    for content in unknown_events():
        async with connected(address, session=session) as socket:
            await send(socket, "PATCH-DOC", content)
    for protocols in ([], ["bokeh"], ["bokeh", "x"], ["bokeh", "e30.e30"], ["x" * 5000, "y"], ["bokeh", "a", "b", "c"]):
        try:
            async with connected(address, protocols=protocols) as socket:
                await socket.read_message()
        except (HTTPClientError, WebSocketClosedError, ConnectionError, ValueError):
            pass


def test_garbage_on_a_websocket_disturbs_nobody(browser: Browser, quiet):
    with watched(browser) as page:
        page.goto(f"{quiet}?tab=control")
        settled(page)
        expect(page.locator(".doing")).to_contain_text("stopped")
        raw_socket.run(throw_garbage(quiet), 240)
        # The other session is alive: what its user does reaches the server, and the answer comes back.
        open_tab(page, "Map")
        expect(page).to_have_url(re.compile("tab=map"))
        page.reload()
        settled(page)


def test_a_session_cannot_touch_another_ones_models(quiet):
    async def meddle() -> tuple[str, str, str]:
        async with connected(quiet, "?tab=control") as own, connected(quiet, "?tab=control") as other:
            theirs = await document(other)
            mine = await document(own)
            start = button(theirs, "Start all")
            assert start["id"] not in {model["id"] for model in models(mine)}
            kind, _ = await answered(own, "PATCH-DOC", {"events": [change(start["id"], "css_classes", ["mine"])]})
            pressed, _ = await answered(own, "PATCH-DOC", {"events": [event("dom_event", start["id"], node="click")]})
            after = button(await document(other), "Start all")
            return kind, pressed, json.dumps(after["attributes"].get("css_classes"))

    kind, pressed, classes = raw_socket.run(meddle())
    assert (kind, pressed) == ("ERROR", "ERROR")
    assert "mine" not in classes


def button(doc: object, label: str) -> dict:
    (found,) = [
        model
        for model in models(doc)
        if model.get("attributes", {}).get("class_name") == "Button"
        and model["attributes"]["data"]["attributes"].get("label") == label
    ]
    return found


def test_another_origin_gets_no_websocket(quiet):
    async def ask(origin: str) -> None:
        async with connected(quiet, Origin=origin):
            pass

    raw_socket.run(ask(quiet.rsplit("/", 1)[0]))
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example", "https://127.0.0.1"):
        with pytest.raises(HTTPClientError) as refused:
            raw_socket.run(ask(origin))
        assert refused.value.code == 403


def test_an_address_puts_no_markup_into_the_page(browser: Browser, quiet):
    """A link is what anybody can send an operator."""
    search = urlencode(
        {"<img src=x onerror='window.broken=1'>": "1", "countries": HOSTILE, "figure": HOSTILE, "find": HOSTILE}
    )
    page = browser.new_page()
    for name in ("Live", "Explore"):
        page.goto(f"{quiet}?tab={name.lower()}&{search}")
        expect(page.locator(".notice")).to_contain_text("onerror")
        page.wait_for_timeout(1_000)
        assert page.evaluate("window.broken") is None, name
        assert page.evaluate(IMAGES) == 0, name
    page.close()


# Names in requests


TRAVERSALS = (
    "/../users.json", "/app/../../users.json", "/static/../users.json", "/static/%2e%2e/%2e%2e/users.json",
    "/static/extensions/panel/../../../../../../../../etc/hostname", "/static/..%2f..%2f..%2fetc%2fhostname",
    "/components/../../etc/hostname", "/components/os/path/etc/hostname", "/components/main/Session/../../app_hooks.py",
    "/components/pipeline.settings/Settings/__doc__/etc/hostname", "//etc/hostname", "/app/%00", "/app_hooks.py",
    "/app/main.py", "/app?tab=../../etc/hostname&figure=../x&query=/etc/hostname", "/users.json", "/log",
)  # fmt: skip


def test_a_path_in_a_request_reaches_no_file(quiet, folder):
    (folder / "users.json").write_text("only for its owner")
    host = urlsplit(quiet)
    name = Path("/etc/hostname").read_text().strip()
    for path in TRAVERSALS:
        asked = http.client.HTTPConnection(host.hostname or "", host.port or 0, timeout=30)
        asked.request("GET", path)
        answer = asked.getresponse()
        body = answer.read().decode(errors="replace")
        asked.close()
        assert answer.status in (200, 302, 400, 403, 404, 405), (path, answer.status)
        assert "only for its owner" not in body, path
        assert body.strip() != name, path
        assert "def on_server_loaded" not in body, path
        assert "Traceback" not in body, path


def test_no_request_chooses_what_code_is_loaded(quiet, folder):
    (folder / "named_by_a_request.py").write_text(
        "from pathlib import Path; Path(__file__).with_suffix('.ran').touch()"
    )
    host = urlsplit(quiet)
    asked = http.client.HTTPConnection(host.hostname or "", host.port or 0, timeout=30)
    asked.request("GET", "/components/named_by_a_request/Any/css/any.css")
    assert asked.getresponse().status == 404
    asked.close()
    assert not (folder / "named_by_a_request.ran").exists()


# Rights


def test_a_viewer_acts_by_no_message_and_the_cookies_are_guarded(tmp_path):
    users = tmp_path / "users.json"
    users.write_text(json.dumps({"vera": "look", "olga": "act"}))
    users.chmod(0o600)
    told = {"CONTRAIL_OPERATORS": "olga", "CONTRAIL_AUTOSTART": "no", "PANEL_COOKIE_SECRET": "for-this-test-alone"}
    with served(tmp_path, told, "--basic-auth", str(users)) as address:
        with pytest.raises(HTTPClientError) as refused:
            raw_socket.run(press_everything(address, ""))
        assert refused.value.code in (401, 403)
        assert not ops.actions(Lake(str(tmp_path / "lake")), 10)
        raw_socket.run(press_everything(address, signed_in(address, "vera", "look")))
        taken = ops.actions(Lake(str(tmp_path / "lake")), 1000)
        assert {one["user"] for one in taken} == {"vera"}
        assert {"start", "stop", "restart"} <= {one["verb"] for one in taken}
        assert all(one["outcome"].startswith("refused: vera may look but not act") for one in taken)


def signed_in(address: str, user: str, password: str) -> str:
    """The cookies of a user, as a header."""
    jar = CookieJar()
    root = address.rsplit("/", 1)[0]
    opener = build_opener(HTTPCookieProcessor(jar))
    opener.open(f"{root}/login", timeout=30).read()
    form = urlencode({"username": user, "password": password}).encode()
    opener.open(f"{root}/login?next=/app", form, timeout=60).read()
    for cookie in jar:
        told = {name.lower(): value for name, value in cookie._rest.items()}
        assert "httponly" in told, cookie.name
        assert told["samesite"] == "Lax", cookie.name
    assert "user" in {cookie.name for cookie in jar}
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


async def press_everything(address: str, cookies: str) -> None:
    """Free and press every button of the Control tab, and send all else that a widget can."""
    headers = {"Cookie": cookies} if cookies else {}
    async with connected(address, "?tab=control", **headers) as socket:
        found = models(await document(socket))
        for model in (one for one in found if one.get("attributes", {}).get("class_name") == "Button"):
            free = change(model["attributes"]["data"]["id"], "disabled", False)
            await answered(socket, "PATCH-DOC", {"events": [free]})
            press = event("dom_event", model["id"], node="click", data={"type": "map", "entries": []})
            await answered(socket, "PATCH-DOC", {"events": [press]})


# Secrets, and data that means harm


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose every text is markup, and whose aircraft are anomalous, so that all views show them."""
    path, sky = tmp_path_factory.mktemp("recorded") / "sky.jsonl.gz", Sky(30, seed=3)
    with gzip.open(path, "wb") as file:
        for number in range(30):
            answer = sky.answer(START + 30 * number)
            states = [[state[0], HOSTILE, HOSTILE, *state[3:7], 14_500.0, *state[8:]] for state in answer.states]
            file.write(orjson.dumps({"time": answer.time, "states": states}) + b"\n")
    return path


def test_no_secret_is_written_or_shown_and_no_text_of_the_feed_becomes_markup(browser: Browser, tmp_path, hostile):
    told = MARKERS | {"CONTRAIL_SOURCE": "replay", "CONTRAIL_FILE": str(hostile), "CONTRAIL_SPEED": "0"}
    pages = []
    with served(tmp_path, told) as address:
        with browser.new_page(viewport={"width": 1440, "height": 900}) as page:
            page.goto(f"{address}?range=6h")
            settled(page)
            expect(page.locator(".figure-active_flights")).to_have_text(re.compile(r"^[\d,]+\s*$"))
            for name in TABS:
                open_tab(page, name)
                if name in HOSTILE_IN:
                    page.wait_for_function(f"({TEXT})().includes('onerror')")
                else:
                    page.wait_for_timeout(3_000)
                pages.append(page.evaluate(TEXT))
                assert page.evaluate("window.broken") is None, name
                assert page.evaluate(IMAGES) == 0, name
        raw = raw_socket.run(whole(address))
    assert not [secret for secret in SECRETS for text in (*pages, raw) if secret in text]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not [secret for secret in SECRETS if secret.encode() in held], path


async def whole(address: str) -> str:
    """All that a session of the Control tab is told, what no view shows included."""
    async with connected(address, "?tab=control") as socket:
        return json.dumps(await document(socket))


ALL = """roots = root => [root, ...[...root.querySelectorAll('*')].flatMap(one => one.shadowRoot ? roots(one.shadowRoot) : [])]"""
TEXT = f"() => {{ const {ALL}; return roots(document).map(root => (root.body || root).textContent).join(' ') }}"
IMAGES = f"() => {{ const {ALL}; return roots(document).reduce((n, root) => n + root.querySelectorAll(\"img[src='x']\").length, 0) }}"
