"""The log store with which Spark reads the logs of tables on a local disk: `LocalLog.java`, compiled once for each version of it.

Delta asks for such a class where a folder can be listed in a better way than file by file (its `LogStore` interface). It has to be
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

CLASS = "contrail.LocalLog"
COMPILER = "org.codehaus.commons.compiler.samples.CompilerDemo"  # javac's options, but not javac
COMPILERS, LIBRARIES = ("janino", "commons-compiler"), ("hadoop-client-api", "slf4j-api")


def jar(cache: Path, say: jars.Progress = print) -> Path:
    """The jar file with `CLASS`, compiled into `cache` when it is not there yet. Raises JavaError or JarError with the cure."""
    libraries = jars.jars("spark", cache, say)
    made = libraries[0].parent.parent / f"local-log-{zlib.crc32(jars.LOCAL_LOG.read_bytes()):08x}.jar"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=made.parent, prefix=".local-log-") as scratch:
            _compile(libraries, Path(scratch))
            fresh = Path(scratch) / made.name
            with zipfile.ZipFile(fresh, "w") as packed:
                for path in Path(scratch).rglob("*.class"):
                    packed.write(path, path.relative_to(scratch))
            fresh.replace(made)
    return made


def _compile(libraries: list[Path], into: Path) -> None:
    compilers, known = (
        os.pathsep.join(str(path) for name in names for path in jars.of_spark(name)) for names in (COMPILERS, LIBRARIES)
    )
    known = os.pathsep.join([known, *map(str, libraries)])
    command = [jars.java(), "-cp", compilers, COMPILER, "-classpath", known, "-d", str(into), str(jars.LOCAL_LOG)]
    done = subprocess.run(command, capture_output=True, text=True)
    # It tells of an error and ends as if there were none.
    if not (into / f"{CLASS.replace('.', '/')}.class").exists():
        raise JarError(f"{jars.LOCAL_LOG.name} could not be compiled: {(done.stderr + done.stdout).strip()[:500]}")


def main() -> None:
    """Compile it, as an image does that is to run without writing there."""
    jar(load().cache_folder)


if __name__ == "__main__":
    sys.exit(exit_code(main))
