"""docker-compose.yml and Dockerfile against the code: no container engine is asked, so what they say must be what the code knows."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import jars
from pipeline.broker import PROPERTIES
from pipeline.retention import KEPT, hours
from pipeline.settings import PREFIX, load
from tests.image_steps import OF_AN_IMAGE, ROOT, stages, whole

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service["build"]["target"] for name, service in SERVICES.items() if "build" in service}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLACE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def filled(value: object, environ: dict[str, str]) -> str:
    """A value with its `${NAME:-default}` filled in."""
    return PLACE.sub(lambda found: environ.get(found[1]) or found[2], str(value))


def settings_of(name: str, **environ: str) -> dict[str, str]:
    given = {variable: filled(value, environ) for variable, value in SERVICES[name].get("environment", {}).items()}
    return {variable: value for variable, value in given.items() if variable.startswith(PREFIX)}


@pytest.mark.parametrize("source", ["simulator", "opensky"])
@pytest.mark.parametrize("name", ["app", "dashboard"])
def test_its_settings_exist_and_parse_and_both_pages_see_the_same_lake(name, source):
    chosen = load(settings_of(name, CONTRAIL_SOURCE=source))
    assert chosen.source == source
    assert chosen.lake_root == f"s3a://datalake/{source}"
    assert chosen.lake_root == load(settings_of("app", CONTRAIL_SOURCE=source)).lake_root


def test_a_sky_never_meets_another_ones_topic():
    topics = {load(settings_of("app", CONTRAIL_SOURCE=source)).topic for source in ("simulator", "opensky")}
    assert len(topics) == 2


def test_where_a_setting_points_to_a_service_listens():
    chosen = load(settings_of("app"))
    host, _, port = (chosen.kafka or "").partition(":")
    assert SERVICES[host]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{host}:{port}"
    assert f"PLAINTEXT://:{port}," in SERVICES[host]["environment"]["KAFKA_LISTENERS"]
    s3 = re.fullmatch(r"http://(\w+):(\d+)", chosen.s3_endpoint or "")
    assert s3
    (command,) = SERVICES[s3[1]]["command"]
    assert f"--port :{s3[2]} " in command
    assert f"--region {chosen.s3_region} " in command
    assert f"mkdir -p /lake/{chosen.lake_root.split('/')[2]}" in command
    assert f":{s3[2]}/health" in SERVICES[s3[1]]["healthcheck"]["test"][-1]


def test_kafka_is_the_version_and_has_the_properties_of_the_embedded_one():
    (version,) = re.findall(r'name="kafka_2.13" rev="([\d.]+)"', (ROOT / "pipeline" / "jars.xml").read_text())
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"
    written = PROPERTIES.replace("{retention_hours}", str(hours(KEPT)))
    embedded = dict(line.split("=", 1) for line in written.splitlines())
    told = {name[6:].lower().replace("_", "."): str(value) for name, value in SERVICES["kafka"]["environment"].items()}
    of_its_place = {"controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs"}
    shared = (told.keys() & embedded.keys()) - of_its_place
    assert {name: told[name] for name in shared} == {name: embedded[name] for name in shared}
    assert {"process.roles", "auto.create.topics.enable", "log.retention.hours"} <= shared


@pytest.mark.parametrize("name", list(SERVICES))
def test_a_service_that_stays_is_watched_bounded_and_stopped_in_order(name):
    service = SERVICES[name]
    assert service["mem_limit"]
    assert "no-new-privileges:true" in service["security_opt"]
    if name == "keys":
        assert service["restart"] == "no"
        assert service["network_mode"] == "none"
        return
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["stop_grace_period"]


def test_ports_are_published_on_loopback_alone_and_kafka_and_s3_on_none():
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", filled(port, {})), name
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["dashboard", "app"]
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["back"] for name in ("kafka", "s3"))


@pytest.mark.parametrize("name", ["dashboard", "app"])
def test_the_port_of_a_page_is_that_of_its_image_its_command_and_its_health_check(name):
    steps = whole(OURS[name])
    (exposed,) = (text for kind, text in steps if kind == "EXPOSE")
    (published,) = SERVICES[name]["ports"]
    assert filled(published, {}).endswith(f":{exposed}")
    assert f"127.0.0.1:{exposed}/" in SERVICES[name]["healthcheck"]["test"][-1]
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    known = {"dashboard": str(config["server"]["port"]), "app": str(load({}).port)}
    assert exposed == known[name]


def test_the_operators_page_asks_who_one_is_and_answers_its_own_addresses():
    command = json.loads(next(text for kind, text in whole("app") if kind == "CMD"))
    assert command[:3] == ["panel", "serve", "app"]
    assert command[command.index("--address") + 1] == "0.0.0.0"
    users = Path(command[command.index("--basic-auth") + 1])
    assert str(users.parent) in mounted("app")
    assert "--liveness" in command
    assert "/liveness" in SERVICES["app"]["healthcheck"]["test"][-1]
    origins = filled(SERVICES["app"]["environment"]["BOKEH_ALLOW_WS_ORIGIN"], {"APP_PORT": "7"})
    assert origins == "localhost:7,127.0.0.1:7"
    assert filled(SERVICES["app"]["ports"][0], {"APP_PORT": "7"}).startswith("127.0.0.1:7:")


def mounted(name: str) -> dict[str, str]:
    """Where a service has which volume."""
    return {words[1]: words[0] for words in (volume.split(":") for volume in SERVICES[name].get("volumes", []))}


def test_volumes_are_named_and_each_key_is_seen_by_those_alone_who_need_it():
    used = {volume for name in SERVICES for volume in mounted(name).values()}
    assert used == set(COMPOSE["volumes"])
    holders = {
        key: {name for name in SERVICES if key in mounted(name).values()} for key in ("s3-keys", "operator-keys")
    }
    assert holders == {"s3-keys": {"keys", "s3", "app", "dashboard"}, "operator-keys": {"keys", "app"}}
    read_only = [
        volume for name in SERVICES if name != "keys" for volume in SERVICES[name]["volumes"] if "-keys" in volume
    ]
    assert all(volume.endswith(":ro") for volume in read_only)


def test_the_page_for_those_who_look_brings_all_that_it_needs():
    reached: set[str] = set()
    left = {"dashboard"}
    while left:
        reached |= left
        left = {needed for name in left for needed in SERVICES[name].get("depends_on", {})} - reached
    assert reached == set(SERVICES)


def test_no_file_holds_a_secret_and_none_goes_into_an_image():
    texts = [ROOT / name for name in ("docker-compose.yml", "Dockerfile", "deploy/keys.py", "deploy/with-keys.sh")]
    secret = re.compile(r"(?i)(secret|password|access_key|token)\w*\s*[:=]\s*['\"]?(?![\s'\"{$]|f\"|.*\$)\w{6,}")
    assert not [line for path in texts for line in path.read_text().splitlines() if secret.search(line)]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in ignored if not line.startswith("#")) == "*"
    assert not {"!data/", "!.env", "!.git/"} & set(ignored)


def test_images_are_pinned_by_version():
    bases = {stage.base for stage in stages().values()} - stages().keys()
    images = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    for image in (*bases, *images):
        assert re.search(r":v?\d+\.\d+\.\d+", image), image


@pytest.mark.parametrize("name", ["viewer", "app"])
def test_what_an_image_copies_is_there_and_sent_to_its_build(name):
    sent = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    built = [name, *re.findall(r"--from=(\S+)", " ".join(text for _, text in whole(name)))]
    for stage in built:
        for text in (text for kind, text in whole(stage) if kind == "COPY" and not text.startswith("--from")):
            for source in text.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in sent


@pytest.mark.parametrize(("name", "extras"), [("viewer", {"viewer"}), ("app", {"engine", "app", "explore"})])
def test_an_image_has_the_extras_that_it_needs_by_the_locks_checksums(name, extras):
    (install,) = (text for kind, text in stages()[f"{name}-build"].steps if kind == "RUN")
    assert set(re.findall(r"--extra (\w+)", install)) == extras
    assert extras <= PROJECT["project"]["optional-dependencies"].keys()
    assert "--constraint requirements.lock" in install
    (tool,) = re.findall(r"uv==(\S+)", " ".join(text for _, text in stages()["build"].steps))
    assert f"\nuv=={tool} " in (ROOT / "requirements.lock").read_text()


def test_the_viewers_image_has_no_java_and_the_apps_has_one_that_is_new_enough():
    steps = {name: " ".join(text for _, text in whole(name)) for name in ("viewer", "app")}
    assert not re.search("jdk|jre|pipeline.jars", steps["viewer"])
    (java,) = re.findall(r"openjdk-(\d+)-jre", steps["app"])
    assert int(java) >= jars.OLDEST_JAVA
    (fetched,) = re.findall(r"pipeline\.jars ([a-z0-9 ]+?) &&", steps["app"])
    assert set(fetched.split()) <= set(jars.PARTS)
    assert {"spark", "s3"} <= set(fetched.split())


@pytest.mark.parametrize("name", ["viewer", "app"])
def test_an_image_runs_as_a_user_without_rights(name):
    steps = whole(name)
    kinds = [kind for kind, _ in steps]
    assert [text for kind, text in steps if kind == "USER"] == ["contrail"]
    assert "RUN" not in kinds[kinds.index("USER") :]
    assert [text for kind, text in steps if kind == "RUN" and text.startswith(OF_AN_IMAGE)]


def test_the_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path):
    words = SERVICES["keys"]["entrypoint"]
    assert words[:2] == ["python", "deploy/keys.py"]
    folders = [tmp_path / word.strip("/") for word in words[2:]]
    for folder in folders:
        folder.mkdir(parents=True)
    run = [sys.executable, str(ROOT / words[1]), *map(str, folders)]
    subprocess.run(run, check=True)
    first = {path: path.read_text() for folder in folders for path in folder.iterdir()}
    subprocess.run(run, check=True)
    assert first == {path: path.read_text() for folder in folders for path in folder.iterdir()}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in first)
    assert list(json.loads(next(text for path, text in first.items() if path.name == "users.json"))) == [
        load(settings_of("app")).operators[0]  # type: ignore[index]
    ]


def test_a_program_is_started_with_the_keys_that_were_made(tmp_path: Path):
    (tmp_path / "s3").mkdir()
    subprocess.run(
        [sys.executable, str(ROOT / "deploy/keys.py"), str(tmp_path / "s3"), str(tmp_path / "s3")], check=True
    )
    script = tmp_path / "with-keys.sh"
    script.write_text((ROOT / "deploy/with-keys.sh").read_text().replace("/keys/", f"{tmp_path}/"))
    told = subprocess.run(
        ["sh", str(script), "env"], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    found = dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
    chosen = load({name: value for name, value in found.items() if name.startswith(PREFIX)})
    assert chosen.s3_access_key
    assert chosen.s3_secret_key
    assert len(found["PANEL_COOKIE_SECRET"]) > 30
    assert shlex.split((ROOT / "deploy/with-keys.sh").read_text().splitlines()[-1]) == ["exec", "$@"]
    assert os.access(ROOT / "deploy/with-keys.sh", os.X_OK)
