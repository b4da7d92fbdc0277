"""A browser that sends garbage on its websocket: the operator's page beside the driver, served for that, goes on for everybody else."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

import pipeline
from pipeline.broker import free_port
from pipeline.drill.case import Case, Extent, Unable
from pipeline.drill.processes import answers, started, wait_until
from pipeline.drill.rig import Rig
from pipeline.errors import DrillError

APP = Path(pipeline.__file__).parents[1] / "app"
TOKEN = re.compile(r'"token":\s*"([^"]+)"')
PATCH = '{"msgid": "1", "msgtype": "PATCH-DOC"}'
PULL = '{"msgid": "1", "msgtype": "PULL-DOC-REQ"}'
UNKNOWN_MODEL = '{"events": [{"kind": "ModelChanged", "model": {"id": "p999999"}, "attr": "disabled", "new": false}]}'
LARGE = 21 * 1024 * 1024  # more than the server takes in one message
SERVED_SECONDS, ANSWER_SECONDS = 120, 60
RANDOM_CONNECTIONS = 40
FRAMES = 3  # of a message: header, metadata, content


def websocket(rig: Rig, extent: Extent) -> str:
    """Connections full of garbage, then one as the page itself opens it, which has to be answered."""
    if not APP.is_dir():
        raise Unable(f"The page is not installed here ({APP}): run the drill in a checkout.")
    port = free_port()
    address, log = f"http://127.0.0.1:{port}/app", rig.folder / "page.log"
    command = [sys.executable, "-m", "panel", "serve", str(APP), "--address", "127.0.0.1", "--port", str(port)]
    with started(command, rig.environment, log) as server:
        wait_until(lambda: answers(address), SERVED_SECONDS, "the page is served")
        thrown = asyncio.run(throw_garbage(address))
        if server.poll() is not None:
            raise DrillError(f"The page's server ended with code {server.poll()}; see {log}.")
        asyncio.run(be_answered(address))
    return f"{thrown} connections of garbage; the page went on and answered the next one"


def garbage() -> Iterator[list[str | bytes]]:
    """Frames that no page sends, a connection's worth each."""
    for text in ("", "{", "null", "[]", '"x"', "7", "\0", "{}" * 9, "[" * 100_000, '{"a":' * 100_000, UNKNOWN_MODEL):
        yield [text]
        yield [PATCH, "{}", text]
    for kind in ("NOPE", "ACK", "PULL-DOC-REPLY", "PUSH-DOC", "SERVER-INFO-REQ", 7, None, {"a": 1}):
        yield [json.dumps({"msgid": "1", "msgtype": kind}), "{}", "{}"]
    yield [json.dumps({"msgid": "1", "msgtype": "PATCH-DOC", "num_buffers": 10**9}), "{}", "{}", "{}", b"x"]
    yield [json.dumps({"msgtype": "PATCH-DOC"}), "{}", "{}"]
    yield [b"\xff\xfe\x00", b"\x00" * 1000]
    yield ["x" * LARGE]
    chance = random.Random(11)
    for _ in range(RANDOM_CONNECTIONS):
        frames = [chance.randbytes(chance.randrange(1, 200)) for _ in range(3)]
        yield [*frames] if chance.random() < 0.5 else [PATCH, "{}", *(one.decode("latin-1") for one in frames)]


async def throw_garbage(address: str) -> int:
    """How many connections were opened and filled."""
    token = await asyncio.to_thread(_token, address)  # one session for all: building them is not what is tried
    connections = list(garbage())
    for frames in connections:
        socket = await _connected(address, token)
        try:
            for frame in frames:
                await socket.write_message(frame, binary=isinstance(frame, bytes))
        except WebSocketClosedError:
            pass  # the server has had enough of it
        socket.close()
    return len(connections)


async def be_answered(address: str) -> None:
    """Open the page as a browser does, and have its document. Raises DrillError when it does not come in time."""
    socket = await _connected(address, await asyncio.to_thread(_token, address))
    for frame in (PULL, "{}", "{}"):
        await socket.write_message(frame)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while (told := await socket.read_message()) is not None:
                if '"roots"' in str(told):
                    return
    except TimeoutError:
        pass
    finally:
        socket.close()
    raise DrillError("The page did not answer a browser that came after the garbage.")


async def _connected(address: str, token: str) -> WebSocketClientConnection:
    """A websocket that the server has acknowledged: before that it takes no message."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            socket = await websocket_connect(f"{address.replace('http', 'ws', 1)}/ws", subprotocols=["bokeh", token])
            for _ in range(FRAMES):
                if await socket.read_message() is None:
                    raise DrillError("The page closed a websocket before any message.")
    except (HTTPClientError, WebSocketClosedError, OSError) as error:
        raise DrillError(f"The page opens no websocket: {error!r}") from error
    return socket


def _token(address: str) -> str:
    """What the page gives a browser to open its websocket with. Raises DrillError when there is none."""
    with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as answer:
        found = TOKEN.search(answer.read().decode())
    if found is None:
        raise DrillError(f"The page at {address} gives no token for a websocket.")
    return found[1]


CASES = (Case("websocket", "a browser that sends garbage on its websocket", websocket),)
