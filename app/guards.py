"""Two gaps of the libraries below the page that no setting closes: open cookies, and modules that a request names."""

from __future__ import annotations

import functools
import sys
from typing import Any

from panel.io.server import ComponentResourceHandler
from tornado.web import HTTPError, RequestHandler

GUARDED = "_contrail_guarded"


def guard_server() -> None:
    """Close both, once in a process."""
    if not hasattr(RequestHandler.set_cookie, GUARDED):
        RequestHandler.set_cookie = _guarded_cookies(RequestHandler.set_cookie)  # type: ignore[method-assign]
    if not hasattr(ComponentResourceHandler.parse_url_path, GUARDED):
        ComponentResourceHandler.parse_url_path = _guarded_modules(ComponentResourceHandler.parse_url_path)  # type: ignore[method-assign]


def _guarded_cookies(given: Any) -> Any:
    """Every cookie is `HttpOnly`, `SameSite=Lax`, and `Secure` where the request came by TLS; Tornado leaves all three open.

    Lax, not Strict: a sign-in by OAuth comes back from another site. Behind a proxy that ends TLS `panel serve --use-xheaders` tells.
    """

    @functools.wraps(given)
    def guarded(self: RequestHandler, name: str, value: str | bytes, *args: Any, **options: Any) -> None:
        options.setdefault("samesite", "Lax")
        options["httponly"] = True
        options["secure"] = options.get("secure") or self.request.protocol == "https"
        given(self, name, value, *args, **options)

    setattr(guarded, GUARDED, True)
    return guarded


def _guarded_modules(given: Any) -> Any:
    """Panel's handler of `/components/MODULE/…` imports the module that a request names: here only one that is there already.

    An import runs a module's code, and whoever reaches the port may ask.
    """

    @functools.wraps(given)
    def guarded(self: ComponentResourceHandler, path: str) -> str:
        if path.split("/")[0] not in sys.modules:
            raise HTTPError(404, "Module not found")
        return str(given(self, path))

    setattr(guarded, GUARDED, True)
    return guarded
