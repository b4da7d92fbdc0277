"""What a benchmark charges for includes processes that ended, once each, also those that nobody waited for, as Spark's Python workers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.process_tree import peak_memory
from tests.browsing import ROOT

PARENT = """
import os, signal, sys, time
signal.signal(signal.SIGCHLD, signal.{reaction})
child = os.fork()
if child == 0:
    while time.process_time() < 0.6:
        pass
    print("worked", flush=True)
    sys.stdin.readline()
    os._exit(0)
try:
    os.waitpid(child, 0)
except ChildProcessError:
    pass
print("ended", flush=True)
sys.stdin.readline()
"""

# What is charged while the child lives, when it has ended beneath its parent, and when both have.
CHARGING = """
import subprocess, sys
from benchmarks.process_tree import cpu_seconds
before = cpu_seconds()
with subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
    for word in (b"worked", b"ended"):
        assert parent.stdout.readline().strip() == word
        print(cpu_seconds() - before)
        parent.stdin.write(b"go on, and end\\n")
        parent.stdin.flush()
print(cpu_seconds() - before)
"""


@pytest.mark.parametrize("reaction", ["SIG_IGN", "SIG_DFL"])
def test_the_work_of_a_process_counts_once_whether_its_parent_waits_for_it_or_not(reaction):
    program = [sys.executable, "-c", CHARGING, PARENT.replace("{reaction}", reaction)]
    told = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    charged = [float(one) for one in told.stdout.split()]
    assert len(charged) == 3
    assert all(0.6 <= seconds < 1.15 for seconds in charged)


def test_a_block_that_ends_before_the_first_interval_has_its_memory_measured_too():
    with peak_memory(every_seconds=60) as samples:
        pass
    assert max(samples) > 0
