"""Where the page may listen without a sign-in, and who may act with one."""

from __future__ import annotations

import sys
from pathlib import Path

import panel as pn
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from guards import guard_server
from rights import Rights, RightsError, require_loopback, require_private_secrets

TWICE = ["--address", "127.0.0.1", "--address", "0.0.0.0"]


@pytest.fixture
def with_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pn.config, "basic_auth", "users.json")


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_sign_in(address):
    require_loopback(["panel", "serve", "app", "--address", address])
    require_loopback(["panel", "serve", "app", f"--address={address}"])


@pytest.mark.parametrize(
    "options", [[], ["--address", "0.0.0.0"], ["--address=192.168.1.5"], ["--address", "example.org"], TWICE]
)
def test_any_other_address_is_refused_without_one(options):
    with pytest.raises(RightsError, match=r"--address 127\.0\.0\.1"):
        require_loopback(["panel", "serve", "app", *options])


@pytest.mark.parametrize("options", [["--basic-auth", "users.json"], ["--oauth-provider=github"]])
def test_any_other_address_is_fine_with_one(options):
    require_loopback(["panel", "serve", "app", "--address", "0.0.0.0", *options])


def test_without_a_sign_in_whoever_sits_there_acts():
    assert Rights(()).may_act("guest")


def test_with_a_sign_in_only_operators_act(with_sign_in):
    rights = Rights(("olga",))
    assert rights.may_act("olga")
    assert not rights.may_act("guest")
    with pytest.raises(RightsError, match="vera may look but not act"):
        rights.require("vera")


@pytest.mark.parametrize("option", ["--cookie-secret", "--oauth-secret", "--oauth-encryption-key"])
def test_a_secret_on_the_command_line_is_refused_with_the_variable_that_takes_it(option):
    for words in ([option, "hush"], [f"{option}=hush"]):
        with pytest.raises(RightsError, match="set PANEL_") as refused:
            require_private_secrets(["panel", "serve", "app", *words])
        assert "hush" not in str(refused.value)


def test_the_users_stand_in_a_file_that_nobody_else_reads(tmp_path):
    users = tmp_path / "users.json"
    with pytest.raises(RightsError, match="names no file") as refused:
        require_private_secrets(["panel", "serve", "app", "--basic-auth", "hush"])
    assert "hush" not in str(refused.value)
    users.write_text("{}")
    users.chmod(0o644)
    with pytest.raises(RightsError, match="chmod 600"):
        require_private_secrets(["panel", "serve", "app", "--basic-auth", str(users)])
    users.chmod(0o600)
    require_private_secrets(["panel", "serve", "app", f"--basic-auth={users}"])


def test_a_cookie_is_for_no_script_no_other_site_and_stays_on_tls():
    from types import SimpleNamespace

    from tornado.httputil import HTTPHeaders
    from tornado.web import RequestHandler

    guard_server()
    guard_server()
    for protocol, secure in (("http", False), ("https", True)):
        handler = RequestHandler.__new__(RequestHandler)
        handler.request = SimpleNamespace(protocol=protocol)
        handler._headers = HTTPHeaders()
        handler.set_cookie("user", "olga")
        told = handler._new_cookie.output()
        assert "HttpOnly" in told
        assert "SameSite=Lax" in told
        assert ("Secure" in told) == secure
