"""Who may act: everybody may look; when there is a sign-in, only operators start and stop things.

Sign-in is Panel's own (`panel serve app --basic-auth …` or `--oauth-provider …`). Without it the server listens on loopback
alone, and whoever sits at the machine is its operator.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import panel as pn

from pipeline.errors import ContrailError
from pipeline.exposure import is_loopback, is_open_to_others, words_for_open

NOBODY = "guest"
# Options of `panel serve` whose value is a secret itself -> the variable that Panel reads instead. Others see a command line.
SECRETS = {
    "--cookie-secret": "PANEL_COOKIE_SECRET",
    "--oauth-secret": "PANEL_OAUTH_SECRET",
    "--oauth-encryption-key": "PANEL_OAUTH_ENCRYPTION",
}


class RightsError(ContrailError):
    """Someone may not do what they asked for, or the server must not listen where it was told to."""


@dataclass(frozen=True)
class Rights:
    """The users who may act where there is a sign-in."""

    operators: tuple[str, ...]

    def may_act(self, user: str) -> bool:
        """Whether a user may start and stop things."""
        return not has_sign_in() or user in self.operators

    def require(self, user: str) -> None:
        """Raise RightsError unless the user may act."""
        if not self.may_act(user):
            raise RightsError(
                f"{user} may look but not act: CONTRAIL_OPERATORS names those who may ({len(self.operators)} do now)."
            )


def has_sign_in() -> bool:
    """Whether this server asks who one is."""
    return bool(pn.config.basic_auth or pn.config.oauth_provider)


def this_user() -> str:
    """The user of the current session; `guest` without a sign-in."""
    return str(pn.state.user or NOBODY)


def sign_out_link() -> str | None:
    """Where this session signs out, seen from its page, which a proxy may show under another path; None for who never signed in."""
    context = pn.state.curdoc.session_context
    if context.logout_url is None or this_user() == NOBODY:
        return None
    return posixpath.relpath(context.logout_url, posixpath.dirname(context.request.path))


def require_loopback(arguments: Sequence[str]) -> None:
    """Raise RightsError when a server without a sign-in was told to listen on more than loopback.

    `arguments` are those of `panel serve`, which listens on every address unless told otherwise.
    """
    if _given(arguments, "--basic-auth") or _given(arguments, "--oauth-provider") or has_sign_in():
        return
    address = _given(arguments, "--address") or "every address"
    if not is_loopback(address):
        raise RightsError(
            f"The page would be open to others on {address} without a sign-in: add --address 127.0.0.1, "
            "or a sign-in with --basic-auth FILE and PANEL_COOKIE_SECRET (docs/dashboard.md)."
        )


def require_private_secrets(arguments: Sequence[str]) -> None:
    """Raise RightsError when a secret of the sign-in stands on the command line, or in a file that others can read."""
    for option, variable in SECRETS.items():
        if _given(arguments, option):
            raise RightsError(f"{option} stands on the command line, which others can read: set {variable} instead.")
    named = _given(arguments, "--basic-auth")
    users = Path(named or str(pn.config.basic_auth or ""))
    if named and not users.is_file():
        raise RightsError(
            "--basic-auth names no file: write the users and their passwords into one, as docs/dashboard.md shows. "
            "A password on the command line can be read by others."
        )
    if users.is_file() and is_open_to_others(users):
        raise RightsError(words_for_open(users))


def _given(arguments: Sequence[str], option: str) -> str:
    """The value of an option, as `--option value` or `--option=value`; the last one counts, as for Panel. Empty without one."""
    found = ""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == option:
            found = value if equals else (*arguments, "")[place + 1]
    return found
