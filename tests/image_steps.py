"""The steps of the Dockerfile, taken without a container engine: each absolute path of the image is one below a clean folder.

Two kinds of step need an image of their own and are left out: making its user, and Debian's packages.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_AN_IMAGE = ("useradd ", "install --directory ", "apt-get ")
PLACES = ("/opt", "/srv", "/data", "/keys")


@dataclass
class Stage:
    """One stage: what it stands on, and its instructions in order."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        return [text for instruction, text in self.steps if instruction == kind]


def stages() -> dict[str, Stage]:
    """The Dockerfile's stages by name."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    found: dict[str, Stage] = {}
    stage = Stage("", "")
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()  # type: ignore[union-attr]
            stage = found[name] = Stage(name, base)
        else:
            stage.steps.append((instruction, rest))
    return found


def whole(name: str) -> list[tuple[str, str]]:
    """All steps that a stage stands on, its own last."""
    stage = stages()[name]
    return (whole(stage.base) if stage.base in stages() else []) + stage.steps


class Image:
    """A stage as a folder. `build` takes its steps; `command` and `environment` are what its container would run."""

    def __init__(self, name: str, root: Path) -> None:
        self.root, self.name = root, name
        self.environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.place = "/"
        self.command: list[str] = []
        for place in PLACES:
            Path(self.here(place)).mkdir(parents=True, exist_ok=True)

    def here(self, text: str) -> str:
        """A text with the image's absolute paths moved below the folder."""
        return re.sub(rf"(?<![\w./-])(?={'|'.join(PLACES)}\b)", str(self.root), text)

    def build(self) -> None:
        """Take the steps of the stages that it copies from, then its own."""
        sources = [re.match(r"--from=(\S+)", text) for kind, text in whole(self.name) if kind == "COPY"]
        for source in (found[1] for found in sources if found):
            Image(source, self.root).build()
        self._start_afresh()
        for kind, text in whole(self.name):
            getattr(self, f"_{kind.lower()}")(text)

    def _start_afresh(self) -> None:
        """A stage begins with an empty work folder; what another stage made below /opt is what it copies."""
        shutil.rmtree(self.here("/srv"))
        Path(self.here("/srv")).mkdir()

    def _env(self, text: str) -> None:
        for pair in shlex.split(text):
            name, _, value = pair.partition("=")
            self.environment[name] = self.here(value).replace("$PATH", self.environment["PATH"])

    def _workdir(self, text: str) -> None:
        self.place = self.here(text)
        Path(self.place).mkdir(parents=True, exist_ok=True)

    def _copy(self, text: str) -> None:
        if text.startswith("--from="):
            return  # the same path of the same folder
        *sources, target = text.split()
        for source in sources:
            into = Path(self.place) / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, into)

    def _run(self, text: str) -> None:
        if text.startswith(OF_AN_IMAGE):
            return
        words = self.here(text)
        words = re.sub(r"^python -m venv", f"{shlex.quote(sys.executable)} -m venv", words)
        # The build's own tools, their cache and the way to the registry are those of the tests' environment.
        words = "true" if words.startswith("pip install") else words.replace(" --no-cache ", " ")
        tools = f"{self.environment['PATH']}:{Path(sys.executable).parent}"
        settings = os.environ | {name: value for name, value in self.environment.items() if name != "HOME"}
        told = subprocess.run(
            ["sh", "-c", words], cwd=self.place, env=settings | {"PATH": tools}, capture_output=True, text=True
        )
        assert told.returncode == 0, f"{text}\n{told.stdout[-2000:]}\n{told.stderr[-2000:]}"

    def _entrypoint(self, text: str) -> None:
        self.command = [self.here(word) for word in json.loads(text)]

    def _cmd(self, text: str) -> None:
        self.command += [self.here(word) for word in json.loads(text)]

    def _user(self, text: str) -> None:
        assert text == "contrail"

    def _expose(self, text: str) -> None:
        self.port = int(text)
