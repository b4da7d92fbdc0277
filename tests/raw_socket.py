"""A page's websocket without a browser: what anybody who reaches the server can send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

LARGEST = 100 * 1024 * 1024


def run(what: Coroutine[Any, Any, Any], seconds: float = 120) -> Any:
    """The result of something that ends in time; on a thread of its own, as Playwright has an event loop on the test's."""

    async def in_time() -> Any:
        return await asyncio.wait_for(what, seconds)

    with ThreadPoolExecutor(1) as alone:
        return alone.submit(asyncio.run, in_time()).result()


@asynccontextmanager
async def connected(
    address: str, search: str = "", protocols: list[str] | None = None, session: str | None = None, **headers: str
) -> AsyncIterator[WebSocketClientConnection]:
    """A websocket to a session of its own, or to one of a token; the server has acknowledged it unless `protocols` are given."""
    asked = HTTPRequest(f"{address.replace('http', 'ws', 1)}/ws{search}", headers=headers)
    offered = ["bokeh", session or new_session()] if protocols is None else protocols
    socket = await websocket_connect(asked, subprotocols=offered, max_message_size=LARGEST)
    try:
        if protocols is None:
            header, _ = await received(socket)
            assert header["msgtype"] == "ACK"
        yield socket
    finally:
        socket.close()


def new_session() -> str:
    """The token of a session that there is not yet."""
    return str(generate_jwt_token(generate_session_id()))


async def received(socket: WebSocketClientConnection) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and content of the next message; its buffers are left out. ConnectionError when the server has hung up."""
    parts = [await socket.read_message() for _ in range(3)]
    if None in parts:
        raise ConnectionError
    header, _, content = (json.loads(part) for part in parts if part is not None)
    for _ in range(2 * header.get("num_buffers", 0)):
        await socket.read_message()
    return header, content


async def send(socket: WebSocketClientConnection, kind: str, content: Any, **header: Any) -> None:
    """A whole message."""
    for part in ({"msgid": "m1", "msgtype": kind} | header, {}, content):
        await socket.write_message(json.dumps(part))


async def answered(socket: WebSocketClientConnection, kind: str, content: Any) -> tuple[str, dict[str, Any]]:
    """The server's answer to a message: its kind and content; what it sends of itself meanwhile is left out."""
    await send(socket, kind, content)
    while True:
        header, told = await received(socket)
        if header.get("reqid") == "m1":
            return header["msgtype"], told


async def document(socket: WebSocketClientConnection) -> dict[str, Any]:
    """The session's whole document."""
    kind, told = await answered(socket, "PULL-DOC-REQ", {})
    assert kind == "PULL-DOC-REPLY"
    return told


def models(part: Any) -> list[dict[str, Any]]:
    """Every model in a document."""
    if isinstance(part, list):
        return [model for one in part for model in models(one)]
    if not isinstance(part, dict):
        return []
    own = [part] if part.get("type") == "object" and "id" in part else []
    return own + models(list(part.values()))


def change(model: str, name: str, value: Any) -> dict[str, Any]:
    """A patch's event that sets a property."""
    return {"kind": "ModelChanged", "model": {"id": model}, "attr": name, "new": value}


def event(name: str, model: str, **values: Any) -> dict[str, Any]:
    """A patch's event that a widget would send."""
    entries = [["model", {"id": model}], *([key, value] for key, value in values.items())]
    data = {"type": "event", "name": name, "values": {"type": "map", "entries": entries}}
    return {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": data}
