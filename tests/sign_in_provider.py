"""A sign-in provider of its own for tests: an OpenID Connect server on loopback where one is whoever one says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.broker import free_port
from pipeline.drill.processes import answers, started, wait_until


@contextmanager
def provider(folder: Path) -> Iterator[dict[str, str]]:
    """The variables that let Panel sign people in with it (`--oauth-provider generic`), while the block runs."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "oidc_provider_mock", "--host", "127.0.0.1", "--port", str(port)]
    with started(command, {}, folder / "provider.log"):
        wait_until(lambda: answers(f"{address}/.well-known/openid-configuration"), 300, "the sign-in provider answers")
        yield {
            "PANEL_OAUTH_AUTHORIZE_URL": f"{address}/oauth2/authorize",
            "PANEL_OAUTH_TOKEN_URL": f"{address}/oauth2/token",
            "PANEL_OAUTH_USER_URL": f"{address}/userinfo",
            "PANEL_USER_KEY": "sub",
        }
