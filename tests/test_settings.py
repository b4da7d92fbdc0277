"""Settings: what is wrong is said with its name, its value and what is allowed; secrets never."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SettingError
from pipeline.settings import ACCOUNTS, SOURCES, Settings, as_environment, load, of_feed, recordings

WRONG = [
    ("SOURCE", "radar", "one of simulator, opensky, replay"),
    ("LIMITS", "strict", "one of expert, seed"),
    ("OPENSKY_ACCOUNT", "premium", "one of anonymous, standard, feeder, licensed"),
    ("DATA", "  ", "a text that is not empty"),
    ("TOPIC", "", "a text that is not empty"),
    ("TOPIC_PARTITIONS", "0", "an integer from 1 to 1,024"),
    ("TOPIC_PARTITIONS", "two", "an integer from 1 to 1,024"),
    ("TOPIC_PARTITIONS", "1.5", "an integer from 1 to 1,024"),
    ("TRIGGER_MS", "-1", "an integer from 0 to 600,000"),
    ("TRIGGER_MS", "soon", "an integer from 0 to 600,000"),
    ("INTERVAL", "0", "a number from 0.1 to 3,600"),
    ("INTERVAL", "nan", "a number from 0.1 to 3,600"),
    ("SPEED", "inf", "a number from 0 to 1,000,000"),
    ("SPEED", "fast", "a number from 0 to 1,000,000"),
    ("QUOTA_RESERVE", "1", "a number from 0 to 0.9"),
    ("PORT", "65536", "an integer from 0 to 65,535"),
    ("AUTOSTART", "maybe", "one of yes, no, true, false, on, off, 1, 0"),
    ("OPENSKY_URL", "opensky-network.org/api", "an address that starts with http:// or https://"),
    ("S3_ENDPOINT", "minio:9000", "an address that starts with http:// or https://"),
    ("BOX", "Switzerland", "`world`, or lamin,lomin,lamax,lomax in degrees"),
    ("BOX", "45,5,48", "`world`, or lamin,lomin,lamax,lomax in degrees"),
    ("BOX", "48,5,45,11", "`world`, or lamin,lomin,lamax,lomax in degrees"),
    ("BOX", "45,5,91,11", "`world`, or lamin,lomin,lamax,lomax in degrees"),
    ("BOX", "45,nan,48,11", "`world`, or lamin,lomin,lamax,lomax in degrees"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_a_wrong_value_is_refused_with_its_name_the_value_and_what_is_allowed(name: str, value: str, allowed: str):
    with pytest.raises(SettingError) as refused:
        load({f"CONTRAIL_{name}": value})
    assert str(refused.value).startswith(f"CONTRAIL_{name} is {value!r}, but has to be {allowed}")


def test_a_wrong_secret_is_refused_without_showing_it():
    with pytest.raises(SettingError, match=r"^CONTRAIL_S3_SECRET_KEY is \(a secret\), but has to be a text"):
        load({"CONTRAIL_S3_SECRET_KEY": "   "})


def test_settings_that_are_printed_show_no_secret():
    shown = repr(
        load(
            {
                "CONTRAIL_OPENSKY_CLIENT_ID": "me",
                "CONTRAIL_OPENSKY_CLIENT_SECRET": "hush-1",
                "CONTRAIL_S3_ACCESS_KEY": "k",
                "CONTRAIL_S3_SECRET_KEY": "hush-2",
                "CONTRAIL_S3_SESSION_TOKEN": "hush-3",
            }
        )
    )
    assert "'me'" in shown
    assert "hush" not in shown


def test_an_unknown_variable_is_refused_and_the_nearest_one_suggested():
    with pytest.raises(SettingError, match="CONTRAIL_SORCE is not a setting of Contrail; did you mean CONTRAIL_SOURCE"):
        load({"CONTRAIL_SORCE": "opensky"})


def test_an_unknown_variable_like_none_is_refused_without_its_value():
    with pytest.raises(SettingError, match=r"^CONTRAIL_X{40} is not a setting of Contrail\.$"):
        load({"CONTRAIL_" + "X" * 40: "hush"})


def test_variables_of_other_programs_are_no_business_of_ours():
    assert load({"PATH": "/bin", "CONTRAILS": "x", "SOURCE": "opensky"}) == Settings()


def test_an_option_wins_over_the_variable_and_none_gives_way_to_it():
    environ = {"CONTRAIL_SEED": "1", "CONTRAIL_AIRCRAFT": "20"}
    chosen = load(environ, seed="2", aircraft=None)
    assert (chosen.seed, chosen.aircraft) == (2, 20)


def test_a_wrong_option_is_refused_like_its_variable():
    with pytest.raises(SettingError, match=r"CONTRAIL_PORT is 'x', but has to be an integer from 0 to 65,535"):
        load({}, port="x")


def test_each_feed_has_a_data_folder_of_its_own_and_the_lake_is_in_it():
    for source in SOURCES:
        chosen = load({"CONTRAIL_SOURCE": source, "CONTRAIL_FILE": "sky.jsonl"})
        assert chosen.data_folder == Path.cwd() / "data" / source
        assert chosen.lake_root == str(Path.cwd() / "data" / source / "lake")


def test_the_data_folder_moves_the_lake_and_the_lake_alone_moves_nothing_else(tmp_path: Path):
    moved = load({"CONTRAIL_DATA": str(tmp_path)})
    assert moved.lake_root == str(tmp_path / "lake")
    apart = load({"CONTRAIL_LAKE": f"{tmp_path}/tables/"})
    assert apart.lake_root == str(tmp_path / "tables")
    assert apart.data_folder == Path.cwd() / "data" / "simulator"


def test_the_home_folder_may_be_written_as_a_tilde():
    chosen = load({"CONTRAIL_DATA": "~/sky", "CONTRAIL_LAKE": "~/tables", "CONTRAIL_CACHE": "~/parts"})
    assert chosen.data_folder == (Path.home() / "sky").resolve()
    assert chosen.lake_root == str((Path.home() / "tables").resolve())
    assert chosen.cache_folder == Path.home() / "parts"


def test_the_cache_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load({}).cache_folder == tmp_path / "contrail"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert load({}).cache_folder == Path.home() / ".cache" / "contrail"


def test_a_lake_on_s3_keeps_its_address():
    chosen = load({"CONTRAIL_LAKE": "s3a://datalake/sky/"})
    assert chosen.on_s3
    assert chosen.lake_root == "s3a://datalake/sky"
    assert not load({}).on_s3


def test_s3_may_be_written_without_the_a_that_hadoop_wants():
    assert load({"CONTRAIL_LAKE": "s3://datalake"}).lake_root == "s3a://datalake"


@pytest.mark.parametrize("address", ["s3a://", "s3://", "s3a:///"])
def test_an_s3_address_without_a_bucket_is_refused(address: str):
    with pytest.raises(SettingError, match="has to name a bucket, as in s3a://datalake"):
        load({"CONTRAIL_LAKE": address})


def test_a_replay_without_a_recording_is_refused_with_the_cure():
    with pytest.raises(SettingError, match="CONTRAIL_FILE does not say which recording: set it, or give --file"):
        _ = load({"CONTRAIL_SOURCE": "replay"}).recording


@pytest.mark.parametrize("half", ["CONTRAIL_OPENSKY_CLIENT_ID", "CONTRAIL_OPENSKY_CLIENT_SECRET"])
def test_half_of_the_opensky_credentials_is_refused_without_showing_it(half: str):
    with pytest.raises(SettingError, match="belong together: set both or none") as refused:
        load({half: "hush"})
    assert "hush" not in str(refused.value)


def credentials(folder: Path, content: str, mode: int = 0o600) -> dict[str, str]:
    path = folder / "credentials.json"
    path.write_text(content)
    path.chmod(mode)
    return {"CONTRAIL_OPENSKY_CREDENTIALS": str(path)}


def test_openskys_credentials_file_is_read(tmp_path: Path):
    chosen = load(credentials(tmp_path, json.dumps({"clientId": "me", "clientSecret": "hush"})))
    assert (chosen.opensky_client_id, chosen.opensky_client_secret) == ("me", "hush")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_credentials_file_that_others_can_read_is_refused_with_the_cure(tmp_path: Path, mode: int):
    with pytest.raises(SettingError, match=r"can be read by others: `chmod 600 .*credentials\.json`") as refused:
        load(credentials(tmp_path, json.dumps({"clientId": "me", "clientSecret": "hush"}), mode))
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "hush",
        "[]",
        '"hush"',
        '{"clientId": "me"}',
        '{"client_id": "me", "client_secret": "hush"}',
        '{"clientId": "", "clientSecret": "hush"}',
        '{"clientId": null, "clientSecret": "hush"}',
    ],
)
def test_a_file_that_is_no_credentials_file_is_refused_without_showing_it(tmp_path: Path, content: str):
    with pytest.raises(SettingError, match="it needs clientId and clientSecret") as refused:
        load(credentials(tmp_path, content))
    assert "hush" not in str(refused.value)


def test_a_missing_credentials_file_is_named(tmp_path: Path):
    with pytest.raises(SettingError, match=r"CONTRAIL_OPENSKY_CREDENTIALS is '.*none\.json', which cannot be read"):
        load({"CONTRAIL_OPENSKY_CREDENTIALS": str(tmp_path / "none.json")})


TEXTS = st.text(string.ascii_letters + string.digits + "-_./:é", min_size=1, max_size=12)
BOXES = st.tuples(st.floats(-90, 0), st.floats(-180, 0), st.floats(1, 90), st.floats(1, 180))
CHOSEN = st.builds(
    Settings,
    source=st.sampled_from(("simulator", "opensky")),
    data=st.none() | TEXTS,
    kafka=st.none() | TEXTS,
    topic_partitions=st.integers(1, 1024),
    interval=st.floats(0.1, 3600),
    box=st.none() | BOXES,
    speed=st.floats(0, 1e6),
    opensky_client_id=st.just("me"),
    opensky_client_secret=TEXTS,
    opensky_account=st.none() | st.sampled_from(ACCOUNTS),
    quota_reserve=st.floats(0, 0.9),
    s3_access_key=st.just("k"),
    s3_secret_key=TEXTS,
    s3_session_token=st.none() | TEXTS,
    s3_create_bucket=st.booleans(),
    autostart=st.booleans(),
)


@given(CHOSEN)
def test_a_child_process_gets_exactly_the_settings_of_its_parent(chosen: Settings):
    assert load(as_environment(chosen)) == chosen


def test_defaults_are_not_handed_on():
    assert as_environment(Settings()) == {}
    assert as_environment(load({"CONTRAIL_AUTOSTART": "no"})) == {"CONTRAIL_AUTOSTART": "False"}


@pytest.mark.parametrize(
    "half",
    [{"s3_access_key": "k"}, {"s3_secret_key": "s"}, {"s3_session_token": "t"}],
)
def test_half_a_pair_of_keys_is_refused(half):
    with pytest.raises(SettingError, match="CONTRAIL_S3_ACCESS_KEY"):
        load({}, **half)


def test_another_feed_gets_a_lake_of_its_own(tmp_path: Path):
    started = load({"CONTRAIL_DATA": str(tmp_path), "CONTRAIL_LAKE": "s3a://sky/"})
    other = of_feed(load({"CONTRAIL_DATA": str(tmp_path), "CONTRAIL_LAKE": "s3a://sky/"}, source="opensky"), started)
    assert (other.data_folder, other.lake_root) == (tmp_path / "opensky", "s3a://sky/opensky")
    assert of_feed(started, started) == started
    assert (started.topic, other.topic) == ("state-vectors", "state-vectors")
    plain = load({}, source="opensky")
    assert of_feed(plain, load({})) == plain
    assert plain.lake_root != load({}).lake_root


def test_a_recording_is_chosen_by_the_name_of_a_file_in_its_folder(tmp_path: Path):
    for name in ("b.jsonl.gz", "a.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    assert list(recordings(load({"CONTRAIL_RECORDINGS": str(tmp_path)}))) == ["a.jsonl", "b.jsonl.gz"]
    assert recordings(load({"CONTRAIL_RECORDINGS": str(tmp_path / "none")})) == {}


def test_another_feed_on_an_existing_kafka_gets_a_topic_of_its_own():
    started = load({"CONTRAIL_KAFKA": "broker:9092", "CONTRAIL_TOPIC": "sky"})
    other = of_feed(load({"CONTRAIL_KAFKA": "broker:9092", "CONTRAIL_TOPIC": "sky"}, source="opensky"), started)
    assert other.topic == "sky-opensky"
    assert of_feed(started, started).topic == "sky"


KAFKA = {"CONTRAIL_KAFKA": "broker:9093"}
ASKED = {**KAFKA, "CONTRAIL_KAFKA_SECURITY": "SASL_SSL"}
UNFIT = [
    ({"CONTRAIL_KAFKA_SECURITY": "SSL"}, "set CONTRAIL_KAFKA to the servers"),
    (ASKED, "needs a user and a password: set CONTRAIL_KAFKA_USER"),
    ({**ASKED, "CONTRAIL_KAFKA_USER": "me"}, "set CONTRAIL_KAFKA_PASSWORD"),
    ({**KAFKA, "CONTRAIL_KAFKA_PASSWORD": "hush"}, "set CONTRAIL_KAFKA_SECURITY to SASL_SSL or SASL_PLAINTEXT"),
    ({**KAFKA, "CONTRAIL_KAFKA_CA": "ca.pem"}, "set CONTRAIL_KAFKA_SECURITY to SSL or SASL_SSL"),
    ({**KAFKA, "CONTRAIL_KAFKA_SECURITY": "SSL", "CONTRAIL_KAFKA_KEY": "k.pem"}, "belong together: set both or none"),
    ({**KAFKA, "CONTRAIL_KAFKA_SECURITY": "SSL", "CONTRAIL_KAFKA_CA": "none.pem"}, "'none.pem', which cannot be read"),
]


@pytest.mark.parametrize(("given", "cure"), UNFIT)
def test_a_kafka_security_that_lacks_something_or_leaves_something_unused_is_refused(given: dict[str, str], cure: str):
    with pytest.raises(SettingError, match=cure) as refused:
        load(given)
    assert "hush" not in str(refused.value)


def test_a_key_of_another_kind_or_for_all_to_read_is_refused_with_the_cure(tmp_path: Path):
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    certificate.write_text("-----BEGIN CERTIFICATE-----")
    key.write_text("-----BEGIN RSA PRIVATE KEY-----")
    key.chmod(0o600)
    given = {**KAFKA, "CONTRAIL_KAFKA_SECURITY": "SSL", "CONTRAIL_KAFKA_KEY": str(key)}
    given["CONTRAIL_KAFKA_CERTIFICATE"] = str(certificate)
    with pytest.raises(SettingError, match="openssl pkcs8 -topk8"):
        load(given)
    key.write_text("-----BEGIN PRIVATE KEY-----")
    assert load(given).kafka_key == str(key)
    key.chmod(0o644)
    with pytest.raises(SettingError, match="chmod 600"):
        load(given)


@pytest.mark.parametrize("name", ["CONTRAIL_OPENSKY_URL", "CONTRAIL_OPENSKY_TOKEN_URL"])
def test_credentials_do_not_go_in_the_clear(name):
    account = {"CONTRAIL_OPENSKY_CLIENT_ID": "me", "CONTRAIL_OPENSKY_CLIENT_SECRET": "hush"}
    with pytest.raises(SettingError, match="in the clear") as refused:
        load(account | {name: "http://opensky.example"})
    assert "hush" not in str(refused.value)
    load(account | {name: "http://127.0.0.1:8000"})
    load(account | {name: "https://opensky.example"})
    load({name: "http://opensky.example"})
