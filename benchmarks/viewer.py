"""The viewer on a lake of three thousand files: how soon its page is complete, and what twenty viewers cost its server."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from deltalake import CommitProperties, write_deltalake
from playwright.sync_api import sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from tornado.websocket import WebSocketClientConnection, websocket_connect

from benchmarks.page import FLAGS
from benchmarks.server import running
from pipeline.broker import free_port
from pipeline.graph import stages
from pipeline.serving import FOLLOWED
from pipeline.settings import load
from pipeline.sinks import Merge
from pipeline.tables import ANOMALY_ALERTS, FLIGHT_PHASE_COUNTS, FLIGHTS_ML, PHASES, Lake, Table

MINUTES, SNAPSHOTS_A_MINUTE, FILES_A_SNAPSHOT = 375, 4, 2
AIRCRAFT, COUNTRIES = 12_000, 100
INTERVAL_SECONDS = 60 / SNAPSHOTS_A_MINUTE
SESSIONS, REFRESH_SECONDS = 20, 5
OPENINGS = 5
LOOK_MS = 25


@dataclass(frozen=True)
class ViewerCosts:
    """Seconds until the page was complete, each time it was opened; cores and MiB of the server with all sessions; files."""

    complete_seconds: list[float]
    first_seconds: float
    cores: float
    refreshes: int
    mib: float
    files: int


class Sky:
    """Writes the tables as the pipeline does: two files a snapshot into Silver, a commit a minute into each Gold table."""

    def __init__(self, lake: Lake, begins: datetime) -> None:
        self.lake, self.begins = lake, begins
        self._snapshots = 0
        self._last: dict[str, list[dict[str, object]]] = {}
        self._numbers = np.random.default_rng(7)
        list(lake.create())

    def snapshot(self) -> None:
        """The next answer; after the last one of a minute, that minute's rows of Gold."""
        at = self.begins + timedelta(seconds=INTERVAL_SECONDS * self._snapshots)
        for part in range(FILES_A_SNAPSHOT):
            self._append(FLIGHTS_ML, self._flights(at, part))
        self._snapshots += 1
        if self._snapshots % SNAPSHOTS_A_MINUTE == 0:
            minute = at.replace(second=0, microsecond=0)
            self._merge(FLIGHT_PHASE_COUNTS, self._phases(minute))
            self._merge(ANOMALY_ALERTS, self._countries(minute - timedelta(minutes=4)))

    def _append(self, table: Table, content: pa.Table) -> None:
        properties = CommitProperties(custom_metadata={"by": "benchmark"})
        write_deltalake(self.lake.path(table), content, mode="append", commit_properties=properties)

    def _merge(self, table: Table, made: list[dict[str, object]]) -> None:
        """By the pipeline's own sink: a row of the minute before is written again too, as late reports do."""
        sink = next(stage.sink for stage in stages(load({})) if stage.sink.table is table)
        assert isinstance(sink, Merge)
        update = rows(table, self._last.get(table.name, [])[:1] + made)
        self._last[table.name] = made
        sink._merge(self.lake.open(table), update, "benchmark", self._snapshots)

    def _flights(self, at: datetime, part: int) -> pa.Table:
        count = AIRCRAFT // FILES_A_SNAPSHOT
        stamp = int(at.timestamp() * 1e6) - self._numbers.integers(0, 10, count) * 1_000_000
        stamp = np.maximum(stamp, int(at.replace(second=0).timestamp() * 1e6))
        made: dict[str, object] = {
            "event_timestamp": pa.array(stamp, pa.timestamp("us", "UTC")),
            "icao24": [f"{number:06x}" for number in range(part * count, (part + 1) * count)],
            "on_ground": self._numbers.random(count) < 0.1,
            "date": [at.date()] * count,
        }
        for field in FLIGHTS_ML.schema:
            if field.type == pa.float64():
                made[field.name] = self._numbers.normal(500, 100, count)
        missing = {name: pa.nulls(count, FLIGHTS_ML.schema.field(name).type) for name in FLIGHTS_ML.schema.names}
        return pa.table(
            missing | {name: pa.array(value, FLIGHTS_ML.schema.field(name).type) for name, value in made.items()},
            schema=FLIGHTS_ML.schema,
        )  # type: ignore[arg-type]

    def _phases(self, minute: datetime) -> list[dict[str, object]]:
        means = {
            "avg_altitude_meters": 9000.0,
            "altitude_count": 8000,
            "avg_velocity_kmh": 800.0,
            "velocity_count": 8000,
        }
        return [
            {"flight_phase": name, "observations": 8000, "aircraft": int(self._numbers.integers(500, 3000))}
            | means
            | window(minute, 1)
            for name in PHASES
        ]

    def _countries(self, start: datetime) -> list[dict[str, object]]:
        made = []
        for number in range(COUNTRIES):
            odd = int(self._numbers.poisson(2) + 15 * (self._numbers.random() < 0.01))
            counts = {"aircraft": 120, "anomalous_aircraft": odd, "anomaly_rate": odd / 120, "observations": 2400}
            named = {"origin_country": f"Country {number}", "altitude_high_count": odd, "examples": []}
            made.append(counts | named | window(start, 5))
        return made


def window(start: datetime, minutes: int) -> dict[str, object]:
    """A window's own columns."""
    end = start + timedelta(minutes=minutes)
    written = {"first_snapshot_timestamp": start + timedelta(seconds=1), "created_at": end, "updated_at": end}
    return {"window_start": start, "window_end": end, "date": start.date(), **written}


def rows(table: Table, made: list[dict[str, object]]) -> pa.Table:
    """Rows with what they do not name missing."""
    return pa.Table.from_pylist([dict.fromkeys(table.schema.names) | row for row in made], schema=table.schema)


def measure(folder: Path, seconds: float) -> ViewerCosts:
    """Write the lake, open its page several times, then let twenty sessions look for `seconds` while it grows."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    sky = Sky(Lake(str(folder / "lake")), now - timedelta(minutes=MINUTES))
    for _ in range(MINUTES * SNAPSHOTS_A_MINUTE):
        sky.snapshot()
    files = sum(len(sky.lake.open(table).file_uris()) for table in FOLLOWED)
    with served(str(folder / "lake"), folder) as (address, server):
        first, *complete = openings(address)
        crowd = Crowd(address)
        time.sleep(2 * REFRESH_SECONDS)
        cores = grown_and_looked_at(sky, server, seconds, crowd)
        mib = server.memory_info().rss / 2**20
        crowd.leave()
    return ViewerCosts(complete, first, cores, crowd.refreshes, mib, files)


def openings(address: str) -> list[float]:
    """Seconds from the request until every figure is drawn: the first for a server that has read nothing yet."""
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        browser.new_page().goto("about:blank")
        for _ in range(1 + OPENINGS):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            began = time.time()
            page.goto(address)
            # By default Playwright looks with every frame, and so has the browser draw one sixty times a second.
            page.wait_for_function(COMPLETE, timeout=60_000, polling=LOOK_MS)
            found.append(time.time() - began)
            page.close()
        browser.close()
    return found


COMPLETE = """() => document.querySelectorAll('[data-testid="stMetric"]').length === 4
  && document.querySelectorAll('[data-testid="stPlotlyChart"] .main-svg').length >= 5
  && document.querySelectorAll('[data-testid="stDataFrame"]').length === 1"""


def grown_and_looked_at(sky: Sky, server: psutil.Process, seconds: float, crowd: Crowd) -> float:
    """Cores of the server while the lake takes a snapshot every fifteen seconds."""
    spent, began, taken = sum(server.cpu_times()[:2]), time.time(), crowd.refreshes
    until = began + seconds
    while (left := until - time.time()) > 0:
        sky.snapshot()
        time.sleep(min(left, INTERVAL_SECONDS))
    crowd.refreshes -= taken
    return (sum(server.cpu_times()[:2]) - spent) / (time.time() - began)


class Crowd:
    """Sessions that speak the browser's protocol over their own socket: they ask for each refresh and take it, and draw nothing."""

    def __init__(self, address: str, sessions: int = SESSIONS) -> None:
        self.refreshes = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._sockets: list[WebSocketClientConnection] = []
        self._tasks: list[asyncio.Task[None]] = []
        for _ in range(sessions):
            asyncio.run_coroutine_threadsafe(self._join(address), self._loop).result(60)

    async def _join(self, address: str) -> None:
        joined = await websocket_connect(
            f"{address.replace('http', 'ws', 1)}/_stcore/stream", subprotocols=["streamlit"]
        )
        self._sockets.append(joined)
        await joined.write_message(rerun(), binary=True)
        self._tasks.append(asyncio.ensure_future(self._look(joined)))

    async def _look(self, joined: WebSocketClientConnection) -> None:
        """Take what comes; choose the shortest refresh, then ask for each part at its pace."""
        chosen: list[WidgetState] = []
        parts: set[str] = set()
        told_of: set[str] = set()  # requests for parts that come together are answered in one run
        while (raw := await joined.read_message()) is not None:
            told = ForwardMsg()
            told.ParseFromString(raw)  # type: ignore[arg-type]
            kind = told.WhichOneof("type")
            if kind == "delta":
                told_of.add(told.delta.fragment_id)
            if kind == "delta" and told.delta.new_element.slider.label.startswith("Refresh") and not chosen:
                chosen += [WidgetState(id=told.delta.new_element.slider.id)]
                chosen[0].double_array_value.data.append(REFRESH_SECONDS)
                await joined.write_message(rerun(chosen), binary=True)
            elif kind == "auto_rerun" and told.auto_rerun.interval == REFRESH_SECONDS:
                part = told.auto_rerun.fragment_id
                if part not in parts:
                    parts.add(part)
                    self._tasks.append(asyncio.ensure_future(self._ask(joined, chosen, part)))
            elif kind == "script_finished" and told.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
                self.refreshes += len(told_of & parts)
                told_of.clear()

    async def _ask(self, joined: WebSocketClientConnection, chosen: list[WidgetState], part: str) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await joined.write_message(rerun(chosen, part), binary=True)

    def leave(self) -> None:
        """Close all. Raises RuntimeError when they were not served as viewers are."""
        for task in self._tasks:
            self._loop.call_soon_threadsafe(task.cancel)
        for joined in self._sockets:
            self._loop.call_soon_threadsafe(joined.close)
        time.sleep(1)
        self._loop.call_soon_threadsafe(self._loop.stop)


def rerun(chosen: Sequence[WidgetState] = (), part: str = "") -> bytes:
    """What a browser sends for a run of the page, or of one part of it."""
    message = BackMsg()
    message.rerun_script.query_string = ""
    message.rerun_script.widget_states.widgets.extend(chosen)
    if part:
        message.rerun_script.fragment_id = part
        message.rerun_script.is_auto_rerun = True
    return message.SerializeToString()


@contextmanager
def served(lake: str, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The viewer of a lake, as `make view` serves it; its log is in `folder`."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_dashboard/app.py", "--server.port", str(port)]
    lake_of, health = {"CONTRAIL_LAKE": lake}, f"{address}/_stcore/health"
    with running(command, lake_of, folder / "viewer.log", health, patience_seconds=30) as process:
        yield address, process


if __name__ == "__main__":
    print(measure(Path(sys.argv[1]), float(os.environ.get("SECONDS_LOOKED", "60"))))
