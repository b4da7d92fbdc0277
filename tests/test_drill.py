"""Every fault of the drill in a short form: real processes die, fill up, lie or vanish, and the tables are as they should be."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tornado.websocket import WebSocketProtocol13

from pipeline.__main__ import main
from pipeline.audit import observed
from pipeline.drill import browser, messages, oracle, tables
from pipeline.drill.case import BRIEF, Case, Outcome, Unable
from pipeline.drill.cases import CASES, chosen
from pipeline.drill.comparison import SAME, Difference
from pipeline.drill.processes import wait_until
from pipeline.drill.report import table
from pipeline.drill.rig import Rig
from pipeline.drill.run import done, run
from pipeline.errors import DrillError
from pipeline.messages import REASONS, reasons
from pipeline.sources.simulator import Sky
from tests.local_server import serving
from tests.test_docs import DOCS, rows, sections

# Done to real processes, and judged by the oracle, by another module.
ELSEWHERE = {"driver": "test_main.py", "jvm": "test_main.py", "s3": "test_s3_pipeline.py"}
# Each of them starts a driver twice or more, and CI has an hour and a half: `damage` does what they do, to all streams at once.
TOGETHER = {case.name for case in tables.CASES} - {"damage"}
HERE = [case for case in CASES if case.name not in {*ELSEWHERE, *TOGETHER}]
SHARED = [pytest.param(case, id=case.name) for case in HERE if case.stand is None]
ALONE = [pytest.param(case, id=case.name) for case in HERE if case.stand is not None]
Do = Callable[[Case], Outcome]


@pytest.fixture(scope="module")
def do(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Do]:
    """Does a case to a pipeline that all of them share; after one that failed there is another pipeline."""
    with contextlib.ExitStack() as stack:
        running: list[Rig] = []

        def do(case: Case) -> Outcome:
            if not running:
                rig = Rig(tmp_path_factory.mktemp("drill") / "rig")
                rig.every_seconds = 1.0  # every judgement computes all that has flowed anew
                running.append(stack.enter_context(rig.standing()))
            outcome = done(case, running[0], BRIEF, print)
            if outcome.verdict == "failed":
                running.pop().close()
            return outcome

        yield do


@pytest.mark.parametrize("case", SHARED)
def test_nothing_is_lost_or_repeated_by(case: Case, do: Do):
    judge(do(case))


@pytest.mark.parametrize("case", ALONE)
def test_nothing_is_lost_or_repeated_on_a_stand_of_its_own_by(case: Case, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (outcome,) = run([case], BRIEF, print)
    judge(outcome)


def judge(outcome: Outcome) -> None:
    if outcome.verdict == "not here":
        pytest.skip(outcome.happened)
    assert (outcome.verdict, outcome.difference) == ("ok", SAME), outcome.happened


def test_streams_audit_and_oracle_agree_on_every_poison_alone_and_among_others():
    chance, sky = random.Random(7), Sky(60, seed=5).answer(1_790_000_000)
    good = [value for _, value in messages.messages(sky, "drill")]
    values = [value for _, value in (messages.poisoned(chance, good) for _ in range(8_000))]
    judged = reasons(values)
    assert judged == [reason for value in values for reason in reasons([value])]
    assert [reason is None for reason in judged] == [oracle.valid(value) is not None for value in values]
    assert [reason is None for reason in judged] == [observed(value)[0] is not None for value in values]
    assert {None, *REASONS} == set(judged)


def test_a_stand_that_cannot_be_had_is_said_and_one_that_fails_is_a_failure(tmp_path, monkeypatch):
    @contextlib.contextmanager
    def refused(here: Path) -> Iterator[Rig]:
        raise Unable("no such thing here")
        yield

    @contextlib.contextmanager
    def broken(here: Path) -> Iterator[Rig]:
        wait_until(lambda: False, 0, "a pipeline that never starts")
        yield Rig(here)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said: list[str] = []
    cases = [Case("one", "", lambda rig, extent: "", refused), Case("two", "", lambda rig, extent: "", broken)]
    one, two = run(cases, BRIEF, said.append)
    assert (one.verdict, one.happened) == ("not here", "no such thing here")
    assert two.verdict == "failed"
    assert "a pipeline that never starts" in two.happened
    (kept,) = tmp_path.iterdir()
    assert str(kept) in said[-1]


def test_the_operator_reads_of_every_fault_what_happens_and_what_to_do():
    told = rows(sections(DOCS / "operations.md")["The drill"])
    assert [(name, fault) for name, fault, *_ in told] == [(f"`{case.name}`", case.fault) for case in CASES]
    for _, _, happens, lost, seconds, cure in told:
        assert (bool(happens), lost, bool(cure)) == (True, "nothing", True)
        assert seconds.isdigit() or seconds == "–"


def test_a_fault_that_is_none_is_one_sentence(capsys):
    with pytest.raises(DrillError, match="no case 'flood'; there are driver"):
        chosen(["flood"])
    assert main(["drill", "--only", "flood"]) == 1
    assert main(["drill", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CASES)


def test_the_table_says_what_failed_and_how_much_was_lost():
    outcomes = [
        Outcome(CASES[0], "went on", SAME, 12.4),
        Outcome(CASES[1], "lost it\nand more", Difference(3, 2, 1), 7.0, "failed"),
    ]
    head, first, second = table(outcomes).splitlines()
    assert head.split()[0] == "fault"
    assert first.split()[-4:] == ["0", "0", "12", "ok"]
    assert second.split()[-6:] == ["3", "2", "7", "failed", "(1", "wrong)"]


def test_a_page_that_opens_no_websocket_or_gives_no_token_fails_its_case():
    class Page(BaseHTTPRequestHandler):
        words = b'{"token": "x"}'

        def do_GET(self) -> None:
            self.send_response(200 if self.path != "/app/ws" else 403)
            self.end_headers()
            self.wfile.write(self.words)

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    with serving(Page) as address:
        with pytest.raises(DrillError, match=r"opens no websocket: HTTP 403"):
            asyncio.run(browser.throw_garbage(f"{address}/app"))
        Page.words = b"<html>"
        with pytest.raises(DrillError, match="no token"):
            asyncio.run(browser.be_answered(f"{address}/app"))


def test_a_page_that_closes_its_websocket_at_once_fails_its_case_too():
    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            accepted = WebSocketProtocol13.compute_accept_value(self.headers.get("Sec-WebSocket-Key", ""))
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accepted}
            page, is_page = b'{"token": "x"}', self.path == "/app"
            self.send_response(200 if is_page else 101)
            for name, value in ({"Content-Length": str(len(page))} if is_page else upgrade).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page if is_page else b"\x88\x00")
            self.close_connection = not is_page

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    with serving(Page) as address, pytest.raises(DrillError, match="closed a websocket before any message"):
        asyncio.run(browser.be_answered(f"{address}/app"))


def test_where_the_page_is_not_installed_the_websocket_case_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(browser, "APP", tmp_path / "app")
    with pytest.raises(Unable, match="run the drill in a checkout"):
        browser.websocket(Rig(tmp_path / "rig"), BRIEF)
