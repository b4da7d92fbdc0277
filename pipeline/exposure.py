"""Who can reach a server or read a file: the few questions that decide whether a start is refused."""

from __future__ import annotations

import ipaddress
import stat
from pathlib import Path


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return address == "localhost" or ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def is_open_to_others(path: Path) -> bool:
    """Whether others than its owner may read or change a file. Raises OSError when it cannot be looked at."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def words_for_open(path: Path) -> str:
    """What to say of a secret that others can read, with the cure."""
    return f"{path} can be read by others: `chmod 600 {path}` makes it yours alone."
