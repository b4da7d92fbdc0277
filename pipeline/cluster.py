"""What a Spark cluster needs beyond a local session: the package for the executors' Python, and addresses that reach the driver."""

from __future__ import annotations

import zipfile
from pathlib import Path

from pipeline.settings import Settings

# Workers are forked from Spark's own module there: the executors get the package only with their first task.
DAEMON = "pyspark.daemon"


def configuration(settings: Settings, files: list[str]) -> dict[str, str]:
    """Spark's settings for a cluster; `files` are the jars that the executors fetch from the driver."""
    listens = settings.driver_bind or settings.driver_host
    made = {
        "spark.jars": ",".join(files),
        "spark.driver.host": settings.driver_host,
        "spark.driver.bindAddress": listens,
        "spark.executor.memory": settings.executor_memory,
        "spark.executor.extraJavaOptions": "-XX:+UseSerialGC -Xss4m",
        "spark.python.daemon.module": DAEMON,
    }
    return made | ({"spark.pyspark.python": settings.executor_python} if settings.executor_python else {})


def package(folder: Path) -> Path:
    """The package as a file that Spark hands to the executors (`SparkContext.addPyFile`), written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    here, target = Path(__file__).parent, folder / "pipeline.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(here.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                packed.write(path, path.relative_to(here.parent))
    return target
