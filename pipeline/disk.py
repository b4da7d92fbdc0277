"""How much room the pipeline's data takes, and what follows from a budget for it.

Nothing that a promise needs is ever deleted for the sake of room: every message stays provable. So when housekeeping has
deleted what it may and the budget is still exceeded, the feed stops until there is room again, and says so.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pipeline import object_store
from pipeline.settings import Settings
from pipeline.tables import Lake

GIGABYTE = 1_000_000_000
BLOCK = 512  # bytes, as POSIX counts `st_blocks`


def used(lake: Lake, settings: Settings) -> int:
    """Bytes that the data folder and the lake take; of a lake on S3 those of its objects, a request for every thousand."""
    folder = settings.data_folder
    if lake.on_s3:
        return _of(folder) + object_store.usage(lake)[1]
    within = Path(lake.root).is_relative_to(folder)
    return _of(folder) + (0 if within else _of(Path(lake.root)))


def exceeded(used_bytes: int, budget_gb: float | None) -> str:
    """A sentence with the cause and the cure when more is used than may be; empty otherwise."""
    if budget_gb is None or used_bytes <= budget_gb * GIGABYTE:
        return ""
    return (
        f"The data takes {used_bytes / GIGABYTE:,.2f} GB of the {budget_gb:g} GB that CONTRAIL_DISK_BUDGET_GB allows, and all of "
        "it is needed: raise the budget, or go on in another CONTRAIL_DATA. The feed goes on by itself once there is room."
    )


def _of(folder: Path) -> int:
    """Bytes on the disk below a folder; what vanishes meanwhile counts nothing."""
    total, left = 0, [str(folder)]
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * BLOCK
    return total
