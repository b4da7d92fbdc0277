"""The JVM parts (Delta, Kafka source, Kafka broker, S3A): fetched once, checked, then used offline."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

from pipeline.errors import JarError, JavaError, exit_code
from pipeline.settings import java_home, load

OLDEST_JAVA = 17
EMBEDDED = ("spark", "kafka")  # what the stack on one machine needs
PARTS = (*EMBEDDED, "s3")
OWN_JAVA = Path(__file__).with_name("java")  # what is compiled beside what is fetched for Spark (`log_stores`)
Progress = Callable[[str], None]


def java() -> str:
    """The path of a Java that is new enough: `JAVA_HOME`'s, else the one on the path."""
    home = java_home()
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    cure = f"Install a JDK {OLDEST_JAVA} or newer (Debian: `apt-get install openjdk-17-jre-headless`) or set JAVA_HOME to one."
    if not program or not os.access(program, os.X_OK):
        raise JavaError(f"No Java was found{f' in JAVA_HOME={home}' if home else ''}. {cure}")
    version = re.search(r'version "(\d+)', _told(program, "-version").stderr)
    if not version or int(version[1]) < OLDEST_JAVA:
        raise JavaError(
            f"{program} is Java {version[1] if version else 'of an unknown version'}, which is too old. {cure}"
        )
    return program


def jars(part: str, cache: Path, say: Progress = print) -> list[Path]:
    """The jar files of one part, fetched into `cache` when they are not there yet.

    Raises JarError when the registry cannot be reached or a file's checksum is not the checked-in one.
    """
    wanted, kept = checksums()[part], folder(part, cache)
    if not kept.exists():
        _fetch(part, wanted, kept, say)
    missing = [name for name in wanted if not (kept / name).is_file()]
    if missing:
        raise JarError(f"{kept} lacks {missing[0]}: remove that folder, and it is fetched again.")
    return [kept / name for name in sorted(wanted)]


def folder(part: str, cache: Path) -> Path:
    """Where the jars of one part are kept: another list of checksums has another folder."""
    return cache / "jars" / _digest(checksums()[part]) / part


def class_archive(part: str, cache: Path) -> Path:
    """Where the JVM finds a part's classes already parsed and verified: a file for each Java and class path."""
    # Not `-version`, whose output also tells of options that Java took from the environment: they change neither classes nor their place.
    told = _told(java(), "--version").stdout + str(_pyspark()) + (own_java() if part == "spark" else "")
    return folder(part, cache).parent / f"classes-{zlib.crc32(told.encode()):08x}.jsa"


def class_sharing(part: str, cache: Path, into: Path | None = None) -> list[str]:
    """The JVM's options for its archive of classes: to use the one that is there, or to write one in the folder `into` when it ends."""
    if into is not None:
        return [f"-XX:ArchiveClassesAtExit={into / part}.jsa"]
    kept = class_archive(part, cache)
    return [f"-XX:SharedArchiveFile={kept}"] if kept.exists() else []


def own_java() -> str:
    """The sources of what is compiled."""
    return "".join(path.read_text() for path in sorted(OWN_JAVA.glob("*.java")))


def of_spark(name: str) -> list[Path]:
    """The jar files of this name (without a version) that pyspark brings along."""
    return sorted((_pyspark().parent / "jars").glob(f"{name}-[0-9]*.jar"))


def checksums() -> dict[str, dict[str, str]]:
    """The checked-in list: part -> file name -> SHA-256 in hex."""
    listed: dict[str, dict[str, str]] = {part: {} for part in PARTS}
    for line in resources.files("pipeline").joinpath("jars.sha256").read_text().splitlines():
        digest, _, path = line.partition("  ")
        part, _, name = path.partition("/")
        listed[part][name] = digest
    return listed


@functools.cache
def _told(program: str, asked: str) -> subprocess.CompletedProcess[str]:
    """What a Java tells of itself: asked once, for each answer takes a JVM."""
    return subprocess.run([program, asked], capture_output=True, text=True)


def _fetch(part: str, wanted: dict[str, str], into: Path, say: Progress) -> None:
    say(f"Fetching {len(wanted)} JVM parts for {part} (once)")
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f".{part}-") as scratch:
        _resolve([part], Path(scratch), into.parent.parent / "ivy" / part, say, len(wanted))
        got = Path(scratch) / part
        for name, digest in wanted.items():
            if not (got / name).is_file():
                raise JarError(
                    f"{name} did not come with the {part} parts; `python -m pipeline.jars relock` shows what did."
                )
            if _sha256(got / name) != digest:
                raise JarError(
                    f"{name} is not the file that pipeline/jars.sha256 names: do not use this network's copy."
                )
        for extra in {path.name for path in got.iterdir()} - wanted.keys():
            (got / extra).unlink()
        if not into.exists():
            got.rename(into)


def _resolve(parts: list[str], out: Path, cache: Path, say: Progress, expected: int) -> None:
    """Let the Ivy that pyspark ships put the jars of `parts` into `out/<part>/`."""
    pattern = f"{out}/[conf]/[artifact]-[revision](-[classifier]).[ext]"
    with resources.as_file(resources.files("pipeline").joinpath("jars.xml")) as listed:
        command = [
            java(),
            "-jar",
            str(of_spark("ivy")[0]),
            "-ivy",
            str(listed),
            "-cache",
            str(cache),
            "-retrieve",
            pattern,
        ]
        process = subprocess.Popen(
            [*command, "-confs", *parts], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        log, done = [], 0
        for line in process.stdout or ():
            log.append(line.strip())
            if "[SUCCESSFUL ]" in line:
                done += 1
                say(f"  {' '.join(parts)} {done}/{expected} {line.split('!')[-1].strip()}")
    if process.wait() != 0:
        cause = next((line for line in log if re.search(r"Host|Exception|not found", line)), "Ivy failed")
        raise JarError(
            f"The JVM parts could not be fetched from Maven Central ({cause}). Connect to it once; after that it works offline."
        )


def _pyspark() -> Path:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise JarError("pyspark is not installed: `pip install .[engine]`.")
    return Path(found.origin)


def _digest(wanted: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{name}{wanted[name]}" for name in sorted(wanted)).encode()).hexdigest()[:12]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relock(target: Path) -> None:
    """Write the checksums of what `jars.xml` resolves to now."""
    with tempfile.TemporaryDirectory() as scratch:
        _resolve(list(PARTS), Path(scratch), Path(scratch), print, 0)
        files = sorted(path for part in PARTS for path in (Path(scratch) / part).iterdir())
        target.write_text("".join(f"{_sha256(path)}  {path.parent.name}/{path.name}\n" for path in files))


def main() -> None:
    """Fetch the parts that are named, or what the embedded stack needs, as `make setup` does; `relock` renews the checksums."""
    named = sys.argv[1:]
    if named == ["relock"]:
        relock(Path(__file__).with_name("jars.sha256"))
        named = []
    for wrong in (name for name in named if name not in PARTS):
        sys.exit(f"There are no parts {wrong!r}; there are {', '.join(PARTS)}.")
    cache = load().cache_folder
    # Side by side: Ivy waits for one answer of the registry after the other.
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda part: jars(part, cache), named or EMBEDDED))


if __name__ == "__main__":
    sys.exit(exit_code(main))
