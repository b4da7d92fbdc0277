"""A real S3 server as the drill and the tests start, kill and end it: versitygw on a free port, its buckets in a temporary folder."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from pipeline.broker import free_port, is_open
from pipeline.errors import DrillError
from pipeline.s3_access import Access
from pipeline.settings import user_cache

ACCESS_KEY, SECRET_KEY = "contrail", "not-a-secret-but-long-enough"


def program() -> str | None:
    """The server's program, where `make s3-server` puts it or on the path."""
    built = user_cache() / "contrail" / "bin" / "versitygw"
    return str(built) if built.exists() else shutil.which("versitygw")


class S3Server:
    """One server; after `kill` it can be started again on the same port, with what it had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "buckets").mkdir(parents=True)
        (folder / "accounts").mkdir()
        self._port = free_port()
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> Access:
        """The way to it."""
        return Access(self.endpoint, "us-east-1", ACCESS_KEY, SECRET_KEY)

    def settings(self, bucket: str) -> dict[str, str]:
        """The settings, without their prefix, of a lake in a bucket of this server."""
        return {
            "lake": f"s3a://{bucket}/sky",
            "s3_endpoint": self.endpoint,
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
        }

    def environment(self, bucket: str) -> dict[str, str]:
        """The same as a child process is told."""
        return {f"CONTRAIL_{name.upper()}": value for name, value in self.settings(bucket).items()}

    def start(self) -> None:
        """Start it and wait until its port is open. Raises DrillError with what it said."""
        found = program()
        assert found is not None
        where = ["--port", f"127.0.0.1:{self._port}", "--iam-dir", str(self._folder / "accounts")]
        keys = ["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--keep-alive", "--quiet"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [found, *where, *keys, "posix", str(self._folder / "buckets")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while self._process.poll() is None:
            if is_open(self._port):
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        raise DrillError(f"The S3 server did not start: {(self._folder / 'log').read_text()}")

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        self.access.boto3().create_bucket(Bucket=name)
