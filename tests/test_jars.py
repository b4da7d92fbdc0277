"""The JVM parts: a Java that is new enough, and jar files that are what the checked-in list says."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from pipeline import jars
from pipeline.errors import JarError, JavaError


@pytest.fixture
def java_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    return tmp_path / "jdk"


def install(java_home: Path, version: str, otherwise: str = "") -> Path:
    """A `java` that tells its version as the real one does, and does `otherwise` when asked for something else."""
    program = java_home / "bin" / "java"
    told = f"""if [ "$1" = -version ]; then echo 'openjdk version "{version}" 2025-04-15' >&2; exit 0; fi"""
    program.write_text(f"#!/bin/sh\n{told}\n{otherwise}\n")
    program.chmod(0o755)
    return program


def fetcher(files: dict[str, str]) -> str:
    """Shell text that does what Ivy is asked for: it writes the files into the part's folder of `-retrieve`."""
    made = [f"printf '%s' '{content}' > \"$folder/{name}\"" for name, content in files.items()]
    return "\n".join(
        [
            'while [ "$1" != -retrieve ]; do shift; done; folder=$(dirname "$2")/spark',
            'folder=$(echo "$folder" | sed "s|/\\[conf\\]||"); mkdir -p "$folder"',
            *made,
        ]
    )


def test_a_jvm_uses_the_archive_of_its_classes_where_there_is_one_and_writes_one_where_asked(tmp_path: Path):
    assert jars.class_sharing("kafka", tmp_path) == []
    kept = jars.class_archive("kafka", tmp_path)
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert jars.class_sharing("kafka", tmp_path) == [f"-XX:SharedArchiveFile={kept}"]
    assert jars.class_sharing("kafka", tmp_path, tmp_path) == [f"-XX:ArchiveClassesAtExit={tmp_path}/kafka.jsa"]


def test_java_home_decides_which_java_is_used(java_home: Path):
    program = install(java_home, "21.0.2")
    assert jars.java() == str(program)


def test_the_oldest_java_that_will_do_is_17(java_home: Path):
    program = install(java_home, "17.0.15")
    assert jars.java() == str(program)


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_292", "16.0.1"])
def test_a_java_that_is_too_old_is_refused_with_the_cure(java_home: Path, version: str):
    install(java_home, version)
    with pytest.raises(JavaError, match=r"too old\. Install a JDK 17 or newer .* or set JAVA_HOME to one\."):
        jars.java()


def test_a_java_that_tells_no_version_is_refused(java_home: Path):
    program = install(java_home, "17")
    program.write_text("#!/bin/sh\necho 'Error: could not find libjava.so' >&2; exit 2\n")
    with pytest.raises(JavaError, match="is Java of an unknown version"):
        jars.java()


def test_a_java_home_without_java_is_refused_by_its_name(java_home: Path):
    with pytest.raises(JavaError, match=f"^No Java was found in JAVA_HOME={java_home}. Install a JDK 17"):
        jars.java()


def test_no_java_at_all_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaError, match=r"^No Java was found\. Install a JDK 17 or newer"):
        jars.java()


def test_setting_up_without_java_ends_with_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("CONTRAIL_CACHE", str(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-m", "pipeline.jars"], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(rf"No Java was found in JAVA_HOME={tmp_path}\. Install .*\n", done.stderr)


def test_without_java_home_the_java_on_the_path_is_used(java_home: Path, monkeypatch: pytest.MonkeyPatch):
    program = install(java_home, "17.0.1")
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    assert jars.java() == str(program)


def test_each_jar_is_pinned_by_part_name_version_and_checksum():
    lines = resources.files("pipeline").joinpath("jars.sha256").read_text().splitlines()
    assert [
        line for line in lines if not re.fullmatch(r"[0-9a-f]{64}  (spark|kafka|s3)/[\w.-]+-\d[\w.-]*\.jar", line)
    ] == []
    assert len({line.split("  ")[1] for line in lines}) == len(lines)
    assert sum(len(part) for part in jars.checksums().values()) == len(lines)


def test_each_part_that_is_asked_for_is_pinned_at_the_version_asked_for():
    asked = resources.files("pipeline").joinpath("jars.xml").read_text()
    wanted = re.findall(r'<dependency conf="(\w+)->default" org="[\w.]+" name="([\w.-]+)" rev="([\w.]+)"', asked)
    assert {part for part, _, _ in wanted} == set(jars.PARTS)
    pinned = jars.checksums()
    assert [one for one in wanted if f"{one[1]}-{one[2]}.jar" not in pinned[one[0]]] == []


def test_what_was_fetched_and_is_right_is_kept_and_then_used_offline(
    java_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pinned = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("b-1.jar", "a-2.jar")}
    monkeypatch.setattr(jars, "checksums", lambda: {"spark": pinned})
    program = install(java_home, "17", fetcher({"a-2.jar": "a-2.jar", "b-1.jar": "b-1.jar", "extra-3.jar": "more"}))
    said: list[str] = []
    first = jars.jars("spark", tmp_path / "cache", said.append)
    assert [(path.name, path.read_text()) for path in first] == [("a-2.jar", "a-2.jar"), ("b-1.jar", "b-1.jar")]
    assert sorted(path.name for path in first[0].parent.iterdir()) == ["a-2.jar", "b-1.jar"]
    assert said == ["Fetching 2 JVM parts for spark (once)"]
    program.unlink()
    assert jars.jars("spark", tmp_path / "cache", said.append) == first


def test_a_jar_with_another_checksum_is_refused_and_none_of_it_is_kept(java_home: Path, tmp_path: Path):
    wanted = jars.checksums()["spark"]
    install(java_home, "17", fetcher(dict.fromkeys(wanted, "not this")))
    with pytest.raises(JarError, match=r"\.jar is not the file that pipeline/jars\.sha256 names"):
        jars.jars("spark", tmp_path / "cache", lambda _: None)
    assert list((tmp_path / "cache").rglob("*.jar")) == []


def test_a_jar_that_did_not_come_is_named(java_home: Path, tmp_path: Path):
    first = next(iter(jars.checksums()["spark"]))
    install(java_home, "17", fetcher({"other-1.jar": ""}))
    with pytest.raises(JarError, match=f"^{re.escape(first)} did not come with the spark parts"):
        jars.jars("spark", tmp_path / "cache", lambda _: None)


def test_a_jar_that_went_missing_later_is_named_with_the_cure(
    java_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jars, "checksums", lambda: {"spark": {"a-2.jar": hashlib.sha256(b"a").hexdigest()}})
    install(java_home, "17", fetcher({"a-2.jar": "a"}))
    (jar,) = jars.jars("spark", tmp_path, lambda _: None)
    jar.unlink()
    with pytest.raises(JarError, match=r"lacks a-2\.jar: remove that folder, and it is fetched again\."):
        jars.jars("spark", tmp_path, lambda _: None)


def test_no_network_is_said_in_one_sentence_with_the_cure(java_home: Path, tmp_path: Path):
    trace = "echo ':: loading settings'; echo 'Server access error: java.net.UnknownHostException: registry.example'"
    install(java_home, "17", f"{trace}; echo '\tat java.base/java.net.Socket'; exit 1")
    with pytest.raises(JarError) as failed:
        jars.jars("kafka", tmp_path, lambda _: None)
    assert str(failed.value) == (
        "The JVM parts could not be fetched from Maven Central (Server access error: java.net.UnknownHostException: "
        "registry.example). Connect to it once; after that it works offline."
    )
    assert list(tmp_path.rglob("*.jar")) == []


def test_each_jar_that_arrives_is_told(java_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jars, "checksums", lambda: {"spark": {"a-2.jar": hashlib.sha256(b"a").hexdigest()}})
    arrived = "echo '\t[SUCCESSFUL ] org.a#a;2!a.jar (12ms)'\n"
    install(java_home, "17", arrived + fetcher({"a-2.jar": "a"}))
    said: list[str] = []
    jars.jars("spark", tmp_path, said.append)
    assert said == ["Fetching 1 JVM parts for spark (once)", "  spark 1/1 a.jar (12ms)"]
