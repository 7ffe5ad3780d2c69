"""What the served programs have in common: they say where they listen, and end when their standard input does.

They run in the peers' interpreter too, so this folder needs the standard library alone.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import socket
import threading

READY = "ready "


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def say_ready(*packages: str, **what: object) -> None:
    """Tell the benchmark that serving has begun, with what, and with which versions of these packages."""
    versions = {package: importlib.metadata.version(package) for package in packages}
    print(READY + json.dumps({**what, "versions": versions}), flush=True)


def wait_for_the_end() -> None:
    """Return once the benchmark wants no more, or is gone."""
    while os.read(0, 4096):  # not sys.stdin: its lock, held while another thread forks, stops the child
        pass


def interrupt_at_the_end() -> None:
    """Have this process interrupted, as by Ctrl-C, once the benchmark wants no more, or is gone."""

    def watch() -> None:
        wait_for_the_end()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()
