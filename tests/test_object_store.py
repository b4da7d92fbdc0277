"""What may be wrong with an S3, on a real server: each is one sentence with the cure, soon."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from pipeline import object_store
from pipeline.drill.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, program
from pipeline.errors import LakeError
from pipeline.s3_access import Access
from pipeline.serving import Reader
from pipeline.settings import load
from pipeline.tables import BRONZE, Lake, lake_of
from tests.local_server import serving

WITHIN_SECONDS = 10.0


@pytest.fixture
def lake_on_s3(s3_server: S3Server, bucket: str) -> Lake:
    return Lake(f"s3a://{bucket}/sky", s3_server.access)


def reached(lake: Lake, **changes: str | None) -> Lake:
    """The same lake, reached in another way."""
    assert lake.access is not None
    return replace(lake, access=replace(lake.access, **changes))


def refused(lake: Lake) -> str:
    """The sentence of the check; it has to come within the promised time."""
    began = time.monotonic()
    with pytest.raises(LakeError) as said:
        object_store.check(lake)
    assert time.monotonic() - began < WITHIN_SECONDS
    assert "\n" not in str(said.value)
    return str(said.value)


def test_a_sound_place_passes_and_nothing_is_left_in_it(lake_on_s3):
    object_store.check(lake_on_s3)
    bucket = lake_on_s3.root.split("/")[2]
    assert lake_on_s3.access.boto3().list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_dead_endpoint_is_named(lake_on_s3):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    words = refused(reached(lake_on_s3, endpoint=endpoint))
    assert f"{endpoint} does not answer" in words
    assert "CONTRAIL_S3_ENDPOINT" in words


def test_an_endpoint_that_takes_calls_and_never_answers_is_named(lake_on_s3):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        words = refused(reached(lake_on_s3, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))
    assert "does not answer" in words


def test_an_endpoint_that_hangs_up_is_named(lake_on_s3):
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = rude.accept()
                    caller.recv(4096)
                    caller.close()

        threading.Thread(target=hang_up, daemon=True).start()
        hung_up = reached(lake_on_s3, endpoint=f"http://127.0.0.1:{rude.getsockname()[1]}")
        assert "does not answer" in refused(hung_up)
        with pytest.raises(LakeError, match="does not answer"):
            object_store.get(hung_up, "a")
        with pytest.raises(LakeError, match="does not answer"):
            object_store.put_if(hung_up, "a", b"", None)


def test_an_endpoint_without_tls_is_named(lake_on_s3):
    words = refused(reached(lake_on_s3, endpoint=lake_on_s3.access.endpoint.replace("http:", "https:")))
    assert "does not speak TLS" in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"access_key": "nobody"}, ["'nobody' is not known", "CONTRAIL_S3_ACCESS_KEY"]),
        (
            {"secret_key": "guessed"},
            [f"{ACCESS_KEY!r} and its secret do not belong together", "CONTRAIL_S3_SECRET_KEY"],
        ),
    ],
)
def test_a_wrong_key_is_named_and_the_secret_is_not(lake_on_s3, changes, words):
    said = refused(reached(lake_on_s3, **changes))
    for word in words:
        assert word in said
    assert "guessed" not in said
    assert "guessed" not in repr(reached(lake_on_s3, **changes))


def test_no_keys_at_all_are_named(lake_on_s3, monkeypatch, tmp_path):
    without_aws(monkeypatch, tmp_path)
    words = refused(reached(lake_on_s3, access_key=None, secret_key=None))
    assert "There are no keys" in words
    assert "CONTRAIL_S3_ACCESS_KEY" in words


def test_a_missing_bucket_is_named_and_made_when_asked(s3_server):
    lake = Lake(f"s3a://new-{uuid.uuid4().hex[:8]}/sky", s3_server.access)
    words = refused(lake)
    assert f"no bucket {lake.root.split('/')[2]!r}" in words
    assert "CONTRAIL_S3_CREATE_BUCKET=yes" in words
    object_store.check(lake, create=True)
    object_store.check(lake)


def test_a_name_that_no_bucket_can_have_is_named(s3_server):
    assert "Sky!" in refused(Lake("s3a://Sky!/x", s3_server.access))


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ([], "list objects"),
        (["s3:ListBucket"], "write objects"),
        (["s3:ListBucket", "s3:PutObject"], "read objects"),
        (["s3:ListBucket", "s3:PutObject", "s3:GetObject"], "delete objects"),
        (["s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject"], ""),
    ],
)
def test_a_missing_right_is_named(s3_server, lake_on_s3, rights, words):
    name = add_user(s3_server)
    bucket = lake_on_s3.root.split("/")[2]
    if rights:
        where = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        allowed = [
            {
                "Effect": "Allow",
                "Principal": {"AWS": [name]},
                "Action": right,
                "Resource": where[0] if right == "s3:ListBucket" else where[1],
            }
            for right in rights
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        lake_on_s3.access.boto3().put_bucket_policy(Bucket=bucket, Policy=policy)
    guest = reached(lake_on_s3, access_key=name, secret_key="a-guest-and-his-secret")
    if words:
        assert f"{name!r} may not {words} in the bucket {bucket!r}" in refused(guest)
    else:
        object_store.check(guest)


def add_user(server: S3Server) -> str:
    """A user of the server who may do nothing yet."""
    name, found = f"guest{uuid.uuid4().hex[:8]}", program()
    assert found is not None
    admin = [found, "admin", "--access", ACCESS_KEY, "--secret", SECRET_KEY, "--endpoint-url", server.endpoint]
    user = ["create-user", "--access", name, "--secret", "a-guest-and-his-secret", "--role", "user"]
    subprocess.run([*admin, *user], check=True, capture_output=True)
    return name


@pytest.fixture
def careless_s3(s3_server: S3Server) -> Iterator[str]:
    """The real server behind one that says yes where a condition did not hold: as an S3 that ignores conditions."""

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            behind = http.client.HTTPConnection(s3_server.endpoint.removeprefix("http://"))
            behind.request(self.command, self.path, body, dict(self.headers))
            answer = behind.getresponse()
            told, careless = answer.read(), answer.status == 412
            self.send_response(200 if careless else answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "date", "server", "transfer-encoding"):
                    self.send_header(name, value)
            if careless:
                self.send_header("ETag", '"1"')
                told = b""
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)
            behind.close()

        do_GET = do_PUT = do_DELETE = forward  # noqa: N815 - the names that http.server wants

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(Handler) as address:
        yield address


def test_an_s3_that_ignores_conditions_is_refused_as_no_lease_would_hold(lake_on_s3, careless_s3):
    words = refused(reached(lake_on_s3, endpoint=careless_s3))
    assert "does not honour conditional writes" in words


def test_what_is_not_s3_is_named(lake_on_s3):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome to the router")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(Handler) as address:
        words = refused(reached(lake_on_s3, endpoint=address))
    assert f"What answers at {address} says" in words


def test_a_conditional_put_wins_only_while_nothing_has_changed(lake_on_s3):
    first = object_store.put_if(lake_on_s3, "a", b"1", None)
    assert first
    assert object_store.put_if(lake_on_s3, "a", b"2", None) is None
    second = object_store.put_if(lake_on_s3, "a", b"2", first)
    assert second
    assert object_store.put_if(lake_on_s3, "a", b"3", first) is None
    assert object_store.put_if(lake_on_s3, "nowhere", b"3", first) is None
    found = object_store.get(lake_on_s3, "a")
    assert found is not None
    assert (found.body, found.etag) == (b"2", second)
    assert 0 <= found.age_seconds < 5


def test_the_size_of_a_lake_leaves_its_neighbours_out(lake_on_s3):
    for root, size in ((lake_on_s3.root, 10), (f"{lake_on_s3.root}2", 1_000), (f"{lake_on_s3.root}-old", 1_000)):
        object_store.put(replace(lake_on_s3, root=root), "a", b"x" * size)
    assert object_store.usage(lake_on_s3) == (1, 10)


def test_readers_say_the_same_sentences_instead_of_delta_rs_own(lake_on_s3):
    with pytest.raises(LakeError, match="start the pipeline once"):
        lake_on_s3.open(BRONZE)
    assert Reader(lake_on_s3).refresh(BRONZE) == -1
    with pytest.raises(LakeError, match="There is no bucket 'nowhere'"):
        Reader(replace(lake_on_s3, root="s3a://nowhere/sky")).refresh(BRONZE)
    with pytest.raises(LakeError, match="do not belong together"):
        Reader(reached(lake_on_s3, secret_key="guessed")).refresh(BRONZE)
    with pytest.raises(LakeError, match="does not answer"):
        Reader(reached(lake_on_s3, endpoint="http://127.0.0.1:1")).refresh(BRONZE)


# Keys


def without_aws(monkeypatch: pytest.MonkeyPatch, folder) -> None:
    """Let the environment hold no keys, and let nobody look for an instance's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))


def test_keys_endpoint_and_region_may_come_from_the_environment(s3_server, bucket, monkeypatch, tmp_path):
    without_aws(monkeypatch, tmp_path)
    (tmp_path / "config").write_text(f"[profile sky]\nregion = eu-west-1\nendpoint_url = {s3_server.endpoint}\n")
    (tmp_path / "credentials").write_text(
        f"[sky]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "sky")
    lake = lake_of(load({}, lake=f"s3a://{bucket}/sky"))
    assert lake.access == Access(s3_server.endpoint, "eu-west-1")
    chosen = lake_of(load({}, lake=f"s3a://{bucket}/sky", s3_region="us-east-1")).access
    assert chosen == Access(s3_server.endpoint, "us-east-1")
    lake = replace(lake, access=chosen)
    object_store.check(lake)  # boto3
    list(lake.create())  # delta-rs
    assert Reader(lake).refresh(BRONZE) == 0
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "There are no keys" in refused(
        lake_of(load({}, lake=f"s3a://{bucket}/sky", s3_region="eu-west-2", s3_endpoint=s3_server.endpoint))
    )


def test_keys_of_the_settings_are_not_mixed_with_those_of_the_environment(lake_on_s3, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another-session")
    object_store.check(lake_on_s3)
    list(lake_on_s3.create())
    assert Reader(lake_on_s3).refresh(BRONZE) == 0
