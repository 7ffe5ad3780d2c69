"""A command run beside a container that is a process of this machine: in its directory, with its environment."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from motet.cli.process_of_container import ProcessOfContainer
from motet.errors import InvalidError, NotFoundError


def execute(container_id: str, environment: Mapping[str, str], command: Sequence[str]) -> int:
    """The command's exit status, as a shell gives it. Raises `NotFoundError` if the container is no process of this
    machine, and `InvalidError` for a command that cannot be run."""
    process = ProcessOfContainer.find(container_id)
    if process is None:
        raise NotFoundError(f"the process of container {container_id} is not on this machine, or not of this user")
    directory = os.readlink(f"/proc/{process.pid}/cwd")
    env = {**environment, "MOTET_CONTAINER_PID": str(process.pid), "PWD": directory}
    if "TERM" in os.environ:
        env.setdefault("TERM", os.environ["TERM"])
    try:
        running = subprocess.Popen(command, cwd=directory, env=env)
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidError(f"there is no command {command[0]!r} in the container's PATH") from None
    except OSError as error:
        raise InvalidError(f"{command[0]!r} cannot be run: {error.strerror}") from None
    # Ctrl-C goes to the command as well, which decides what it means.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = running.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status
