"""Where the page may listen without a sign-in, and who may act with one."""

from __future__ import annotations

import sys
from pathlib import Path

import panel as pn
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from rights import Rights, RightsError, require_loopback


@pytest.fixture
def with_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pn.config, "basic_auth", "users.json")


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_sign_in(address):
    require_loopback(["panel", "serve", "app", "--address", address])
    require_loopback(["panel", "serve", "app", f"--address={address}"])


@pytest.mark.parametrize(
    "options", [[], ["--address", "0.0.0.0"], ["--address=192.168.1.5"], ["--address", "example.org"]]
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
