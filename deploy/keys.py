"""Makes the secrets of the compose file once: S3's keys in one folder, the operator's password and the cookie's secret in another.

What is there stays as it is. Only the standard library: this runs before anything else does.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

OPERATOR = "operator"


def make(s3: Path, operator: Path) -> None:
    """Write what is missing, readable by its owner alone."""
    write_once(
        s3 / "keys.env",
        f"CONTRAIL_S3_ACCESS_KEY={secrets.token_hex(10)}\nCONTRAIL_S3_SECRET_KEY={secrets.token_urlsafe(32)}\n",
    )
    write_once(operator / "users.json", json.dumps({OPERATOR: secrets.token_urlsafe(12)}) + "\n")
    write_once(operator / "cookie.env", f"PANEL_COOKIE_SECRET={secrets.token_urlsafe(32)}\n")


def write_once(path: Path, content: str) -> None:
    """Write a file unless it is there; a reader sees all of it or nothing."""
    if path.exists():
        return
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    scratch.replace(path)


if __name__ == "__main__":
    make(*map(Path, sys.argv[1:3]))
