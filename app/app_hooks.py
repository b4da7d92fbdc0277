"""Begins with the server and ends with it: the page is up before Spark is."""

import importlib
import sys
from pathlib import Path
from typing import Any

import hub
from guards import guard_server
from rights import require_loopback, require_private_secrets
from sessions import let_texts_go_one_way, settle, tidy_soon
from sign_in import use_own_pages
from view_state import TABS

from pipeline.errors import ContrailError


def on_server_loaded(server_context: Any) -> None:
    """Open the hub; it starts the pipeline on threads of its own. A wrong setting ends the server with a sentence, and so
    does an address that is open to others without a sign-in, or a secret that others can read."""
    try:
        require_loopback(sys.argv)
        require_private_secrets(sys.argv)
        guard_server()
        use_own_pages()
        let_texts_go_one_way()
        hub.the_hub()
    except ContrailError as error:
        sys.exit(str(error))
    _load_tabs()
    settle()


def _load_tabs() -> None:
    """Import what the page is made of while Spark starts, so that the first visitor does not wait for it."""
    sys.path.insert(0, str(Path(__file__).parent))  # Bokeh has it there only while it runs the page itself
    for name in TABS:
        importlib.import_module(f"tab_{name}")


def on_session_destroyed(session_context: Any) -> None:
    """Let nothing of a closed page stay."""
    tidy_soon()


def on_server_unloaded(server_context: Any) -> None:
    """Stop everything in order; SIGTERM and Ctrl-C come here too."""
    hub.close_the_hub()
