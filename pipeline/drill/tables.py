"""Tables and checkpoints that are damaged or gone: who needs them stays failed and names the cure, the rest goes on, the cure helps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline import resets
from pipeline.drill.case import Case, Extent
from pipeline.drill.processes import wait_until
from pipeline.drill.rig import Rig
from pipeline.errors import DrillError
from pipeline.tables import FLIGHTS_ML

NOTICED_SECONDS = 120
GARBAGE = b"\x00\xffgarbage{" * 20


def truncated(rig: Rig, extent: Extent) -> str:
    """Silver's newest offsets, cut in half."""
    return cured_after(rig, "silver", lambda: halve(newest(place(rig, "silver") / "offsets")))


def missing(rig: Rig, extent: Extent) -> str:
    """All of Silver's checkpoint; the one file of Gold's without which Spark would skip a batch; and all of Bronze's, which heals."""

    def lose() -> None:
        for stream in ("silver", "bronze"):
            shutil.rmtree(place(rig, stream))

    told = cured_after(rig, "silver", lose)
    if extent.slow:
        cured_after(rig, "anomaly_alerts", lambda: lose_offsets(place(rig, "anomaly_alerts")))
    return f"{told}; bronze went on by itself"


def garbled(rig: Rig, extent: Extent) -> str:
    """What says which checkpoint it is, and the state of a stream."""

    def spoil_state() -> None:
        for file in (place(rig, "silver") / "state").rglob("*.*"):
            if file.suffix in (".delta", ".snapshot", ".zip", ".changelog"):
                file.write_bytes(GARBAGE)

    if extent.slow:
        cured_after(rig, "quarantine", lambda: (place(rig, "quarantine") / "metadata").write_bytes(GARBAGE))
    return cured_after(rig, "silver", spoil_state)


def half_entry(rig: Rig, extent: Extent) -> str:
    """The newest entry of Silver's log; and, in the long form, of Bronze's, whose messages are in Kafka."""
    told = cured_after(rig, "silver", lambda: halve(newest(log_of(rig, "silver"))))
    if extent.slow:
        cured_after(rig, "bronze", lambda: halve(newest(log_of(rig, "bronze"))))
    return told


def deleted(rig: Rig, extent: Extent) -> str:
    """Silver's, while everything runs."""
    shutil.rmtree(rig.lake.path(FLIGHTS_ML))
    stays_failed(rig, "silver")
    rig.terminate()
    return cured(rig, "silver")


def cured_after(rig: Rig, stream: str, damage: Callable[[], object]) -> str:
    """Damage something of a stream while the driver is stopped, see that it is named, and cure it."""
    rig.terminate()
    damage()
    rig.launch()
    stays_failed(rig, stream)
    rig.terminate()
    return cured(rig, stream)


def stays_failed(rig: Rig, stream: str) -> None:
    """The stream names its cure and is not tried again; what does not need it goes on."""
    named = f"contrail reset {stream}"
    wait_until(
        lambda: named in str(rig.part(stream)["cure"]),
        NOTICED_SECONDS,
        lambda: f"{stream} names `{named}`: {rig.part(stream)}",
    )
    for other in {"bronze", "quarantine"} - {stream, *_all_after(stream)}:
        goes_on(rig, other)


def goes_on(rig: Rig, stream: str) -> None:
    """A stream runs, whatever the others do."""
    wait_until(lambda: rig.part(stream)["state"] == "running", 60, lambda: f"{stream} goes on: {rig.part(stream)}")


def cured(rig: Rig, stream: str) -> str:
    """`contrail reset` asks, and does it when it may; then all goes on."""
    asked = rig.call("reset", stream)
    if asked.returncode != 1 or "Type" not in asked.stdout:
        raise DrillError(f"contrail reset {stream} did not ask: {asked.stdout}{asked.stderr}")
    done = rig.call("reset", stream, "--yes")
    if done.returncode:
        raise DrillError(f"contrail reset {stream}: {done.stdout}{done.stderr}")
    rig.launch()
    rig.mended()
    return f"{stream} stayed failed and named `contrail reset {stream}`, the rest went on; that helped"


def place(rig: Rig, stream: str) -> Path:
    """A stream's checkpoint."""
    return Path(rig.lake.checkpoint(stream, resets.generation(rig.lake, stream)))


def log_of(rig: Rig, stream: str) -> Path:
    """The log of the table that a stream writes."""
    return Path(rig.lake.path(resets.TABLES[stream]), "_delta_log")


def newest(folder: Path) -> Path:
    """The file with the highest number."""
    return max(_numbered(folder.iterdir()), key=lambda file: int(file.stem))


def lose_offsets(checkpoint: Path) -> None:
    """Remove where the last finished batch began: Spark would take the one before for the last, and skip what comes."""
    last = int(newest(checkpoint / "commits").name)
    for file in _numbered((checkpoint / "offsets").iterdir()):
        if int(file.name) >= last:
            file.unlink()


def halve(file: Path) -> None:
    """Cut a file, as a power cut does."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _numbered(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if file.stem.isdigit() and file.suffix in ("", ".json")]


def _all_after(stream: str) -> tuple[str, ...]:
    return resets.AFTER_LOSS.get(stream, ())


CASES = (
    Case("checkpoint-truncated", "a checkpoint file truncated", truncated),
    Case("checkpoint-missing", "a checkpoint, or a file of it, missing", missing),
    Case("checkpoint-garbled", "a checkpoint's files garbled", garbled),
    Case("log-entry", "a Delta log entry half written", half_entry),
    Case("table-deleted", "a table deleted under a running stream", deleted),
)
