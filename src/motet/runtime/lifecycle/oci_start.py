"""The first program of a container in an OCI image: `python3 -P oci_start.py DIRECTORY ENTRY`.

It reaches its backend by two sockets in a directory that it finds there. One takes what it writes, so that one learns why it
does not start; over the other it is told what to do, as a template is. It stands by itself until it has said where Motet is
looked for: what the image has installed comes first.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

ERRORS = "errors"
CONTROL = "control"
_NOBODY = "/nonexistent/motet/scratch"


def main(directory: str, entry: str) -> None:
    """Become a template whose containers are in here."""
    errors = _connected(f"{directory}/{ERRORS}")
    os.dup2(errors.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    errors.close()
    sys.path.append(str(Path(__file__).resolve().parents[3]))
    from motet.runtime.lifecycle import template
    from motet.runtime.walls.privileges import forbid_calls_beside
    from motet.runtime.walls.syscall_filter import knows_calls, syscall_filter

    # The engine's list lets through what all containers of one user share (keyrings), and what leads out (namespaces).
    if knows_calls():
        forbid_calls_beside(syscall_filter())
    control = _connected(f"{directory}/{CONTROL}")
    # Its parent is none of this place, and its directory goes with it.
    parent, number = os.getppid(), control.detach()
    sys.argv[1:] = ["--control", f"{number}", "--parent", f"{parent}", "--scratch", _NOBODY, "--entry", entry]
    template.main()


def _connected(path: str) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.connect(path)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
