"""The lake on S3 against the lake on a disk: snapshot to Gold, one after the other in one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import latency
from pipeline.drill.s3_server import S3Server


@dataclass(frozen=True)
class Places:
    """The same measurement at both places."""

    disk: latency.Latency
    s3: latency.Latency

    @property
    def ratio(self) -> float:
        """How many times longer a snapshot takes on S3, by the medians."""
        return self.s3.percentile(50) / self.disk.percentile(50)


def measure(folder: Path, warm_up: int, snapshots: int) -> Places:
    """Measure on a disk, then on a real S3 server on loopback."""
    on_disk = latency.measure(folder / "disk", warm_up, snapshots)
    with lake_on_s3(folder) as place:
        return Places(on_disk, latency.measure(folder / "driver", warm_up, snapshots, **place))


@contextmanager
def lake_on_s3(folder: Path) -> Iterator[dict[str, str]]:
    """The settings of a lake on an S3 server of its own, which keeps everything below `folder`."""
    server = S3Server(folder / "server")
    server.start()
    try:
        yield {**server.settings("sky"), "s3_create_bucket": "yes"}
    finally:
        server.kill()
