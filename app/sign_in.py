"""The pages around a sign-in: Panel's own fetch their picture and letters from other hosts, and name somebody else."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment
from panel.auth import AUTH_PROVIDERS, BasicLoginHandler, LogoutHandler
from panel.io.resources import BASIC_LOGIN_TEMPLATE, ERROR_TEMPLATE, LOGOUT_TEMPLATE

PANELS = {
    "_login_template": BASIC_LOGIN_TEMPLATE,
    "_logout_template": LOGOUT_TEMPLATE,
    "_error_template": ERROR_TEMPLATE,
}
PAGE = Path(__file__).with_name("sign_in.html")


def use_own_pages() -> None:
    """Let signing in, signing out and a refusal show `sign_in.html`, unless the command line names another template."""
    own = Environment(autoescape=True).from_string(PAGE.read_text())
    for handler in (BasicLoginHandler, LogoutHandler, *AUTH_PROVIDERS.values()):
        for name, panels in PANELS.items():
            if getattr(handler, name, None) is panels:
                setattr(handler, name, own)
