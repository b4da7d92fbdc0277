"""A disk that is full, or that cannot be written, and then can."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.drill.case import Case, Extent, Unable
from pipeline.drill.processes import wait_until
from pipeline.drill.rig import Rig

SIZE = "700m"
NOTICED_SECONDS = 120
HELD_SECONDS = 8
LEFT_BYTES = 64 * 1024


@contextmanager
def small_disk(here: Path) -> Iterator[Rig]:
    """A pipeline whose lake, Kafka and logs are all on one small disk."""
    disk = here / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk))
    try:
        with Rig(here / "rig", {"CONTRAIL_DATA": str(disk / "data")}).standing() as rig:
            yield rig
    finally:
        unmount(disk)


def full(rig: Rig, extent: Extent) -> str:
    """Everything that is written is on it."""
    ballast, said = Path(rig.settings.data_folder.parent, "ballast"), rig.said()
    with ballast.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * LEFT_BYTES)
        wait_until(
            lambda: "The disk is full." in rig.said()[len(said) :],
            NOTICED_SECONDS,
            "a stream says that the disk is full",
        )
        time.sleep(HELD_SECONDS)
    ballast.unlink()
    return "the streams failed with `The disk is full.` and went on by themselves once there was room"


def read_only(rig: Rig, extent: Extent) -> str:
    """The lake alone."""
    said = rig.said()
    with unwritable(Path(rig.lake.root)):
        wait_until(
            lambda: "The lake cannot be written." in rig.said()[len(said) :],
            NOTICED_SECONDS,
            "a stream says that it cannot write",
        )
        time.sleep(HELD_SECONDS)
    return "the streams failed with `The lake cannot be written.` and went on by themselves"


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """A folder that nobody can write: by its rights, which root ignores, or by the way to it."""
    if os.geteuid() != 0:
        folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for path in folders:
            path.chmod(0o555)
        try:
            yield
        finally:
            for path in folders:
                path.chmod(0o755)
        return
    mount("--bind", str(folder), str(folder))
    try:
        mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        unmount(folder)


def mount(*arguments: str) -> None:
    """Raises Unable where this may not be done."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Unable(f"A file system cannot be mounted here: {done.stderr.strip()}")


def unmount(folder: Path) -> None:
    """Let go of a file system, at once or when nobody uses it any more."""
    subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


CASES = (
    Case("read-only", "the lake cannot be written, and then can", read_only),
    Case("disk-full", "the disk is full, and then there is room", full, small_disk),
)
