"""Who may act: everybody may look; when there is a sign-in, only operators start and stop things.

Sign-in is Panel's own (`panel serve app --basic-auth …` or `--oauth-provider …`). Without it the server listens on loopback
alone, and whoever sits at the machine is its operator.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import panel as pn

from pipeline.errors import ContrailError

NOBODY = "guest"


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


def require_loopback(arguments: Sequence[str]) -> None:
    """Raise RightsError when a server without a sign-in was told to listen on more than loopback.

    `arguments` are those of `panel serve`, which listens on every address unless told otherwise.
    """
    words = [word for argument in arguments for word in argument.split("=", 1)]
    if "--basic-auth" in words or "--oauth-provider" in words or has_sign_in():
        return
    address = words[words.index("--address") + 1] if "--address" in words[:-1] else "every address"
    if not is_loopback(address):
        raise RightsError(
            f"The page would be open to others on {address} without a sign-in: add --address 127.0.0.1, "
            "or a sign-in with --basic-auth FILE --cookie-secret SECRET (docs/application.md)."
        )


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
