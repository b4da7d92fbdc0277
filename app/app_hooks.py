"""Begins with the server and ends with it: the page is up before Spark is."""

from typing import Any

import hub


def on_server_loaded(server_context: Any) -> None:
    """Open the hub; it starts the pipeline on threads of its own."""
    hub.the_hub()


def on_server_unloaded(server_context: Any) -> None:
    """Stop everything in order; SIGTERM and Ctrl-C come here too."""
    hub.close_the_hub()
