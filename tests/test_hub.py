"""The page's hub: the page is up whatever the lake does, says what is wrong, and drives it when it can."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from hub import Hub

from pipeline import object_store, ops
from pipeline.drill.processes import wait_until
from pipeline.drill.s3_server import S3Server
from pipeline.lease import LOCK
from pipeline.settings import load

SOON = 30.0


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[list[Hub]]:
    """Hubs to be closed at the end, whatever happens."""
    made: list[Hub] = []
    yield made
    for hub in made:
        hub.close()


def opened(hubs: list[Hub], folder: Path, server: S3Server) -> Hub:
    """A hub on a lake of its own server, whose streams are not started."""
    place = server.settings("sky") | {"s3_create_bucket": "yes", "lease_seconds": "3"}
    hub = Hub(load({}, data=str(folder), autostart="no", **place))
    hubs.append(hub)
    hub.open()
    return hub


def test_a_page_says_that_s3_is_gone_and_drives_the_lake_when_it_is_there(hubs, tmp_path, own_s3_server):
    own_s3_server.kill()
    began = time.monotonic()
    hub = opened(hubs, tmp_path, own_s3_server)
    assert time.monotonic() - began < 1, "the page waits for S3"
    wait_until(lambda: "does not answer" in hub.refusal, SOON, "the page says what is wrong")
    wait_until(lambda: hub.status is not None, SOON, "it has a status")
    assert "does not answer" in hub.status["trouble"]["cause"]
    assert "does not answer" in hub.act("olga", "start")
    own_s3_server.start()
    wait_until(lambda: not hub.refusal, SOON, "the page drives the lake by itself")
    assert hub.act("olga", "stop") == ""


def test_a_second_page_stands_by_and_takes_over_when_the_first_has_ended(hubs, tmp_path, own_s3_server):
    first = opened(hubs, tmp_path / "one", own_s3_server)
    wait_until(lambda: not first.refusal, SOON, "the first drives")
    second = opened(hubs, tmp_path / "two", own_s3_server)
    wait_until(lambda: "is driven by process" in second.refusal, SOON, "the second says who drives")
    wait_until(lambda: second.status is not None, SOON, "it shows the first one's status")
    hubs.remove(first)
    first.close()
    wait_until(lambda: not second.refusal, SOON, "the second drives")


def test_a_page_that_lost_its_lake_says_to_whom_and_only_looks(hubs, tmp_path, own_s3_server):
    hub = opened(hubs, tmp_path, own_s3_server)
    wait_until(lambda: not hub.refusal, SOON, "it drives")
    stolen = {"holder": "process 1 on another host", "token": "another", "seconds": 600}
    object_store.put(hub.supervisor.lake, LOCK, json.dumps(stolen).encode())
    wait_until(
        lambda: "taken over while this driver was silent, by process 1 on another host" in hub.refusal,
        SOON,
        "it says so",
    )
    assert "process 1 on another host" in hub.act("olga", "start")


def on_a_disk(hubs: list[Hub], folder: Path) -> Hub:
    """A hub on one lake of a folder, whose streams are not started."""
    hub = Hub(load({}, data=str(folder), autostart="no"))
    hubs.append(hub)
    hub.open()
    return hub


def test_a_page_that_was_refused_a_lake_drives_it_once_the_other_has_stopped(hubs, tmp_path):
    first, second = on_a_disk(hubs, tmp_path), on_a_disk(hubs, tmp_path)
    assert "is driven by process" in second.act("olga", "stop")
    hubs.remove(first)
    first.close()
    assert second.act("olga", "stop") == ""
    assert second.refusal == ""


def test_an_action_that_fails_after_it_was_asked_for_is_told_and_noted(hubs, tmp_path):
    hub = on_a_disk(hubs, tmp_path)
    assert hub.undo("olga", "quarantine") == ""
    wait_until(lambda: hub.failures[0] == 1, SOON, "the failure is told")
    assert "undo reset quarantine: quarantine was not reset" in hub.failures[1]
    outcomes = [one["outcome"] for one in ops.actions(hub.supervisor.lake, 5)]
    assert any(outcome.startswith("failed: quarantine was not reset") for outcome in outcomes)


def test_a_folder_that_cannot_be_used_is_a_sentence_on_the_page_and_no_end_of_it(hubs, tmp_path):
    (tmp_path / "lake").write_text("a file where the lake should be")
    hub = on_a_disk(hubs, tmp_path)
    assert "cannot be driven" in hub.refusal
    assert "cannot be driven" in hub.act("olga", "start")
    (tmp_path / "lake").unlink()
    assert hub.act("olga", "stop") == ""
