"""One driver a lake: on a disk by a lock of the file system, on S3 by a lease that a real server keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline import object_store
from pipeline.drill.processes import wait_until
from pipeline.errors import LakeError
from pipeline.lease import LOCK, FileLock, Lease, holder, lock_of
from pipeline.tables import Lake

LENGTH = 3.0


@pytest.fixture
def lake_on_s3(s3_server, bucket) -> Lake:
    return Lake(f"s3a://{bucket}/sky", s3_server.access)


def nothing() -> None:
    pass


def try_to_take(lease: Lease) -> str:
    """What taking it came to: nothing when it was taken, else the refusal."""
    try:
        lease.take()
    except LakeError as refusal:
        return str(refusal)
    return ""


def holder_process(lake: Lake) -> subprocess.Popen[str]:
    """A process that takes the lock of a lake, says so and holds it."""
    program = (
        "import time; from pipeline.lease import lock_of; from pipeline.s3_access import Access; from pipeline.tables import Lake\n"
        f"access = Access{tuple(vars(lake.access).values()) if lake.access else '(None, str())'}\n"
        f"lock = lock_of(Lake({lake.root!r}, access), {LENGTH}, lambda: print('stop', flush=True))\n"
        "lock.take(); print('taken', flush=True)\n"
        "while not lock.lost(): time.sleep(0.05)\n"
        "print(lock.lost(), flush=True); time.sleep(600)"
    )
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def test_a_second_driver_is_refused_with_the_name_of_the_first(tmp_path: Path):
    first = holder_process(Lake(str(tmp_path)))
    try:
        assert line_of(first) == "taken"
        with pytest.raises(LakeError, match=f"process {first.pid} on .* since "):
            lock_of(Lake(str(tmp_path)), LENGTH, nothing).take()
    finally:
        end(first)
    freed = FileLock(Lake(str(tmp_path)))
    freed.take()  # the crash freed it
    freed.free()


def test_on_s3_a_second_driver_is_refused_and_a_crash_frees_the_lake(lake_on_s3):
    first = holder_process(lake_on_s3)
    try:
        assert line_of(first) == "taken"
        with pytest.raises(LakeError, match=f"process {first.pid} on .* since "):
            lock_of(lake_on_s3, LENGTH, nothing).take()
    finally:
        end(first)
    second = Lease(lake_on_s3, LENGTH, nothing)
    second.take()
    assert second.certain()
    second.free()


def test_a_driver_that_gave_its_lease_back_takes_it_again(lake_on_s3):
    lease = Lease(lake_on_s3, 600, nothing)
    for _ in range(2):
        lease.take()
        assert lease.certain()
        lease.free()


def test_a_lease_that_was_given_back_is_free_at_once(lake_on_s3):
    for _ in range(3):
        lease = Lease(lake_on_s3, 600, nothing)
        lease.take()
        lease.free()
        assert not lease.lost()


def test_a_lease_lasts_as_long_as_it_is_renewed(lake_on_s3):
    lease = Lease(lake_on_s3, LENGTH, nothing)
    lease.take()
    first = object_store.get(lake_on_s3, LOCK)
    time.sleep(LENGTH + 1)
    assert lease.certain()
    assert not lease.lost()
    assert object_store.get(lake_on_s3, LOCK).etag != first.etag
    lease.free()


@pytest.mark.parametrize("before", ["nothing", "given back", "run out"])
def test_of_racing_drivers_exactly_one_wins(lake_on_s3, before, monkeypatch):
    for number in range(15):
        lake = Lake(f"{lake_on_s3.root}/{number}", lake_on_s3.access)
        if before == "given back":
            object_store.put(lake, LOCK, b"{}")
        if before == "run out":  # older than its length by the server's clock, as far as its holder said
            object_store.put(lake, LOCK, json.dumps({"holder": "a dead one", "seconds": -10}).encode())
        drivers = [Lease(lake, LENGTH, nothing) for _ in range(4)]
        begin = threading.Barrier(len(drivers))
        with ThreadPoolExecutor(len(drivers)) as racing:
            came = list(racing.map(lambda lease, begin=begin: (begin.wait(), try_to_take(lease))[1], drivers))
        assert came.count("") == 1, came
        assert all("is driven by process" in refusal for refusal in came if refusal)
        drivers[came.index("")].free()


def test_a_driver_that_slept_past_its_lease_stops_before_anything_else(lake_on_s3):
    sleeper = holder_process(lake_on_s3)
    try:
        assert line_of(sleeper) == "taken"
        os.kill(sleeper.pid, signal.SIGSTOP)
        second = Lease(lake_on_s3, LENGTH, nothing)
        second.take()
        os.kill(sleeper.pid, signal.SIGCONT)
        assert line_of(sleeper) == "stop"
        words = next(filter(lambda said: said != "stop", iter(lambda: line_of(sleeper), "")))
        assert f"taken over while this driver was silent, by process {os.getpid()}" in words
        time.sleep(LENGTH / 2)
        assert second.certain()  # the sleeper takes nothing back
        second.free()
    finally:
        end(sleeper)


def test_a_sleeper_that_nobody_missed_goes_on(lake_on_s3):
    sleeper = holder_process(lake_on_s3)
    try:
        assert line_of(sleeper) == "taken"
        os.kill(sleeper.pid, signal.SIGSTOP)
        time.sleep(LENGTH)
        os.kill(sleeper.pid, signal.SIGCONT)
        assert line_of(sleeper) == "stop"
        before = object_store.get(lake_on_s3, LOCK).etag
        wait_until(lambda: object_store.get(lake_on_s3, LOCK).etag != before, LENGTH, "it is renewed again")
        assert f"process {sleeper.pid}" in try_to_take(Lease(lake_on_s3, LENGTH, nothing))
    finally:
        end(sleeper)


def test_while_s3_is_gone_a_driver_stands_still_and_goes_on_when_it_is_back(own_s3_server):
    own_s3_server.make_bucket("sky")
    stood_still = threading.Event()
    lease = Lease(Lake("s3a://sky/x", own_s3_server.access), LENGTH, stood_still.set)
    lease.take()
    own_s3_server.kill()
    assert stood_still.wait(3 * LENGTH)
    assert not lease.certain()
    own_s3_server.start()
    wait_until(lease.certain, 3 * LENGTH, "the lease is renewed")
    assert not lease.lost()
    lease.free()


def test_a_lease_that_somebody_removed_is_written_again(lake_on_s3):
    lease = Lease(lake_on_s3, LENGTH, nothing)
    lease.take()
    object_store.delete(lake_on_s3, LOCK)
    wait_until(lambda: object_store.get(lake_on_s3, LOCK) is not None, LENGTH, "it is there again")
    assert not lease.lost()
    lease.free()


def test_a_renewal_whose_answer_was_lost_is_not_taken_for_somebody_elses(lake_on_s3):
    lease = Lease(lake_on_s3, LENGTH, nothing)
    lease.take()
    own = object_store.get(lake_on_s3, LOCK)
    object_store.put(lake_on_s3, LOCK, own.body + b" ")  # as if the driver had written it and never heard so
    time.sleep(LENGTH)
    assert not lease.lost()
    assert lease.certain()
    lease.free()


def test_the_holder_and_its_age_are_told_by_the_lease(lake_on_s3):
    assert holder(lake_on_s3) is None
    lease = Lease(lake_on_s3, LENGTH, nothing)
    lease.take()
    name, age = holder(lake_on_s3)
    assert name.startswith(f"process {os.getpid()} on ")
    assert 0 <= age <= LENGTH
    lease.free()
    assert holder(lake_on_s3) is None
