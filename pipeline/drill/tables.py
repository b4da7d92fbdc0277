"""Tables and checkpoints that are damaged or gone: who needs them stays failed and names the cure, the rest goes on, the cure helps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pipeline import resets
from pipeline.drill.case import Case, Extent
from pipeline.drill.processes import wait_until
from pipeline.drill.rig import Rig
from pipeline.errors import DrillError

NOTICED_SECONDS = 120
GARBAGE = b"\x00\xffgarbage{" * 20
Damage = Callable[[Rig, str], None]


def truncated(rig: Rig, extent: Extent) -> str:
    """Silver's newest offsets, cut in half."""
    return cured_after(rig, {"silver": halve_offsets})


def missing(rig: Rig, extent: Extent) -> str:
    """All of Silver's checkpoint; the one file of Gold's without which Spark would skip a batch; and all of Bronze's, which heals."""
    told = cured_after(rig, {"silver": lose}, heals="bronze")
    cured_after(rig, {"anomaly_alerts": lose_offsets})
    return f"{told}; bronze went on by itself"


def garbled(rig: Rig, extent: Extent) -> str:
    """What says which checkpoint it is, and the state of a stream."""
    cured_after(rig, {"quarantine": spoil_metadata})
    return cured_after(rig, {"silver": spoil_state})


def half_entry(rig: Rig, extent: Extent) -> str:
    """The newest entry of Silver's log; and of Bronze's, whose messages are in Kafka."""
    told = cured_after(rig, {"silver": halve_entry})
    cured_after(rig, {"bronze": halve_entry})
    return told


def deleted(rig: Rig, extent: Extent) -> str:
    """Silver's, while everything runs."""
    delete(rig, "silver")
    stays_failed(rig, "silver")
    rig.terminate()
    return cured(rig, "silver")


def all_at_once(rig: Rig, extent: Extent) -> str:
    """Each kind of damage to another stream, and all of them cured together."""
    delete(rig, "quarantine")
    stays_failed(rig, "quarantine")
    damages = {"silver": spoil_state, "flight_phase_counts": halve_entry, "anomaly_alerts": halve_offsets}
    return f"{cured_after(rig, damages, 'quarantine', heals='bronze')}; bronze went on by itself"


def cured_after(rig: Rig, damages: Mapping[str, Damage], *before: str, heals: str = "") -> str:
    """Damage something of each stream while the driver is stopped, see that it is named, and cure it.

    So are the streams that were damaged `before`. The one that `heals` loses its checkpoint, and goes on by itself.
    """
    rig.terminate()
    for stream, damage in damages.items():
        damage(rig, stream)
    if heals:
        lose(rig, heals)
    rig.launch()
    stays_failed(rig, *damages, *before)
    rig.terminate()
    return cured(rig, *damages, *before)


def stays_failed(rig: Rig, *streams: str) -> None:
    """Each stream names its cure and is not tried again; what does not need them goes on."""
    for stream in streams:
        names_cure(rig, stream)
    harmed = {one for stream in streams for one in (stream, *resets.AFTER_LOSS.get(stream, ()))}
    for other in {"bronze", "quarantine"} - harmed:
        goes_on(rig, other)


def names_cure(rig: Rig, stream: str) -> None:
    """A stream says what helps."""
    named = f"contrail reset {stream}"
    wait_until(
        lambda: named in str(rig.part(stream)["cure"]),
        NOTICED_SECONDS,
        lambda: f"{stream} names `{named}`: {rig.part(stream)}",
    )


def goes_on(rig: Rig, stream: str) -> None:
    """A stream runs, whatever the others do."""
    wait_until(lambda: rig.part(stream)["state"] == "running", 60, lambda: f"{stream} goes on: {rig.part(stream)}")


def cured(rig: Rig, *streams: str) -> str:
    """`contrail reset` asks, and does it when it may; then all goes on."""
    for stream in streams:
        asked = rig.call("reset", stream)
        if asked.returncode != 1 or "Type" not in asked.stdout:
            raise DrillError(f"contrail reset {stream} did not ask: {asked.stdout}{asked.stderr}")
        done = rig.call("reset", stream, "--yes")
        if done.returncode:
            raise DrillError(f"contrail reset {stream}: {done.stdout}{done.stderr}")
    rig.launch()
    rig.mended()
    return f"{', '.join(streams)} stayed failed and named `contrail reset`, the rest went on; that helped"


def halve_offsets(rig: Rig, stream: str) -> None:
    """Cut the newest offsets of a checkpoint in half."""
    halve(newest(place(rig, stream) / "offsets"))


def halve_entry(rig: Rig, stream: str) -> None:
    """Cut the newest entry of a table's log in half."""
    halve(newest(log_of(rig, stream)))


def lose(rig: Rig, stream: str) -> None:
    """Remove a checkpoint."""
    shutil.rmtree(place(rig, stream))


def lose_offsets(rig: Rig, stream: str) -> None:
    """Remove where the last finished batch began: Spark would take the one before for the last, and skip what comes."""
    checkpoint = place(rig, stream)
    last = int(newest(checkpoint / "commits").name)
    for file in _numbered((checkpoint / "offsets").iterdir()):
        if int(file.name) >= last:
            file.unlink()


def spoil_metadata(rig: Rig, stream: str) -> None:
    """Put garbage where a checkpoint says which one it is."""
    (place(rig, stream) / "metadata").write_bytes(GARBAGE)


def spoil_state(rig: Rig, stream: str) -> None:
    """Put garbage in place of a stream's state."""
    for file in (place(rig, stream) / "state").rglob("*.*"):
        if file.suffix in (".delta", ".snapshot", ".zip", ".changelog"):
            file.write_bytes(GARBAGE)


def delete(rig: Rig, stream: str) -> None:
    """Delete the table that a stream writes."""
    shutil.rmtree(rig.lake.path(resets.TABLES[stream]))


def place(rig: Rig, stream: str) -> Path:
    """A stream's checkpoint."""
    return Path(rig.lake.checkpoint(stream, resets.generation(rig.lake, stream)))


def log_of(rig: Rig, stream: str) -> Path:
    """The log of the table that a stream writes."""
    return rig.lake.log(resets.TABLES[stream])


def newest(folder: Path) -> Path:
    """The file with the highest number."""
    return max(_numbered(folder.iterdir()), key=lambda file: int(file.stem))


def halve(file: Path) -> None:
    """Cut a file, as a power cut does."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _numbered(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if file.stem.isdigit() and file.suffix in ("", ".json")]


CASES = (
    Case("checkpoint-truncated", "a checkpoint file truncated", truncated),
    Case("checkpoint-missing", "a checkpoint, or a file of it, missing", missing),
    Case("checkpoint-garbled", "a checkpoint's files garbled", garbled),
    Case("log-entry", "a Delta log entry half written", half_entry),
    Case("table-deleted", "a table deleted under a running stream", deleted),
    Case("damage", "all of these at once, each to another stream", all_at_once),
)
