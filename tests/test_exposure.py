"""Who can reach a server or read a file."""

from __future__ import annotations

import pytest

from pipeline.exposure import is_loopback, is_open_to_others, words_for_open


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_loopback_is_this_machine(address):
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "192.168.1.5", "example.org", "127.0.0.1.example.org"])
def test_anything_else_is_not(address):
    assert not is_loopback(address)


def test_a_file_is_private_when_its_owner_alone_may_read_it(tmp_path):
    path = tmp_path / "secret"
    path.write_text("hush")
    for mode, is_open in ((0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o620, True)):
        path.chmod(mode)
        assert is_open_to_others(path) == is_open
    assert f"chmod 600 {path}" in words_for_open(path)
