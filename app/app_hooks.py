"""Begins with the server and ends with it: the page is up before Spark is."""

import sys
from typing import Any

import hub
from rights import require_loopback
from sessions import tidy_soon

from pipeline.errors import ContrailError


def on_server_loaded(server_context: Any) -> None:
    """Open the hub; it starts the pipeline on threads of its own. A wrong setting ends the server with a sentence, and so
    does an address that is open to others without a sign-in."""
    try:
        require_loopback(sys.argv)
        hub.the_hub()
    except ContrailError as error:
        sys.exit(str(error))


def on_session_destroyed(session_context: Any) -> None:
    """Let nothing of a closed page stay."""
    tidy_soon()


def on_server_unloaded(server_context: Any) -> None:
    """Stop everything in order; SIGTERM and Ctrl-C come here too."""
    hub.close_the_hub()
