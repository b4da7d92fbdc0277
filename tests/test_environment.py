"""environment.yml brings what pyproject.toml asks for, no more and no less."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import yaml

from pipeline.jars import OLDEST_JAVA

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())
FROM_PIP: list[str] = next(entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict))


def test_pip_installs_exactly_the_requirements_of_the_project_and_all_its_extras():
    extras = [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    assert sorted(FROM_PIP) == sorted({*PROJECT["dependencies"], *extras, "-e ."})


def test_conda_brings_the_python_and_the_java_that_contrail_needs():
    packages = [entry for entry in CONDA["dependencies"] if isinstance(entry, str)]
    assert packages == [f"python{PROJECT['requires-python']}", f"openjdk>={OLDEST_JAVA}", "make", "pip"]


def test_conda_asks_the_community_channel_alone():
    assert CONDA["channels"] == ["conda-forge"]
