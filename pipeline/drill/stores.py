"""An S3 that vanishes, with the lake on it, and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.drill.case import Case, Extent, Unable
from pipeline.drill.rig import Rig
from pipeline.drill.s3_server import S3Server, program


class Stored(Rig):
    """A rig with its lake on an S3 server of its own."""

    def __init__(self, folder: Path, server: S3Server) -> None:
        told = {"S3_CREATE_BUCKET": "yes", "LEASE_SECONDS": "10"}
        super().__init__(
            folder, server.environment("drill") | {f"CONTRAIL_{name}": value for name, value in told.items()}
        )
        self.server = server


@contextmanager
def stand(here: Path) -> Iterator[Rig]:
    """A pipeline with its lake on S3."""
    if program() is None:
        raise Unable("There is no versitygw: `make s3-server` builds it where Go is installed.")
    server = S3Server(here / "s3")
    server.start()
    try:
        with Stored(here / "rig", server).standing() as rig:
            yield rig
    finally:
        server.kill()


def away(rig: Rig, extent: Extent) -> str:
    """Killed, gone for so long, and started again."""
    assert isinstance(rig, Stored)
    rig.server.kill()
    time.sleep(extent.away_seconds)
    rig.server.start()
    return f"gone for {extent.away_seconds:.0f} s: the streams stood still, named it, and went on by themselves"


CASES = (Case("s3", "an S3 that vanishes for a minute", away, stand),)
