"""What a benchmark charges for includes processes that ended, also those that nobody waited for, as Spark's Python workers."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.process_tree import cpu_seconds

PARENT = """
import os, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
child = os.fork()
if child == 0:
    while time.process_time() < 0.5:
        pass
    print("worked", flush=True)
    sys.stdin.readline()
    os._exit(0)
time.sleep(60)
"""


def test_the_work_of_a_process_that_nobody_waited_for_is_not_forgotten():
    before = cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout.readline() == b"worked\n"
            assert cpu_seconds() - before >= 0.5
        finally:
            parent.kill()
            parent.stdin.close()  # and so the child ends
        parent.wait()
    assert cpu_seconds() - before >= 0.5
