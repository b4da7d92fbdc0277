"""The log stores with which Spark lists the logs of tables, on a disk and on S3: `java/`, compiled once for each version of it.

Delta asks for such classes where a folder can be listed in a better way than its own (its `LogStore` interface). They have to be
Java; the compiler is Janino, which Spark brings along, since a Java that only runs programs has none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from pipeline import jars
from pipeline.errors import JarError, exit_code
from pipeline.settings import load

SOURCES = {"spark": "LocalLog", "s3": "S3Log"}  # by the part that each is added to
ON_DISK, ON_S3 = (f"contrail.{name}" for name in SOURCES.values())
COMPILER = "org.codehaus.commons.compiler.samples.CompilerDemo"  # javac's options, but not javac


def jar(part: str, cache: Path, say: jars.Progress = print) -> Path:
    """The jar file that is added to a part, compiled into `cache` when it is not there yet. Raises JavaError or JarError.

    Its name is of the class (a cluster's executors get both, and know files by their names), its source and what it was compiled with.
    """
    source, libraries = jars.OWN_JAVA / f"{SOURCES[part]}.java", jars.of_spark("*")
    for needed in dict.fromkeys(("spark", part)):
        libraries += jars.jars(needed, cache, say)
    told = source.read_text() + "".join(path.name for path in libraries)
    made = jars.folder(part, cache).parent / f"{source.stem}-{zlib.crc32(told.encode()):08x}.jar"
    if not made.exists():
        try:
            _make(made, source, libraries)
        except OSError as error:
            cure = "run `python -m pipeline.log_stores` once as a user who may write there, or set CONTRAIL_CACHE to another folder"
            raise JarError(f"{made} cannot be written ({error.strerror}): {cure}.") from None
    return made


def _make(made: Path, source: Path, libraries: list[Path]) -> None:
    with tempfile.TemporaryDirectory(dir=made.parent, prefix=f".{source.stem}-") as scratch:
        _compile(source, libraries, Path(scratch))
        fresh = Path(scratch) / made.name
        with zipfile.ZipFile(fresh, "w") as packed:
            for path in Path(scratch).rglob("*.class"):
                packed.write(path, path.relative_to(scratch))
        if not made.exists():  # another one of the same time would be another file to the archive of classes
            fresh.replace(made)


def _compile(source: Path, libraries: list[Path], into: Path) -> None:
    compilers = [*jars.of_spark("janino"), *jars.of_spark("commons-compiler")]
    on, known = (os.pathsep.join(map(str, paths)) for paths in (compilers, libraries))
    command = [jars.java(), "-cp", on, COMPILER, "-classpath", known, "-d", str(into), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    # It tells of an error and ends as if there were none.
    if not (into / "contrail" / f"{source.stem}.class").exists():
        raise JarError(f"{source.name} could not be compiled: {(done.stderr + done.stdout).strip()[:500]}")


def main() -> None:
    """Compile them, as an image does that is to run without writing there."""
    for part in SOURCES:
        jar(part, load().cache_folder)


if __name__ == "__main__":
    sys.exit(exit_code(main))
