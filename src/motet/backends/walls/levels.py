"""Which isolation levels this machine has, and what the others lack: tried, not guessed."""

from __future__ import annotations

import os
import shutil
import subprocess

from motet.model.isolation import Isolation

_TRIAL = ("--ro-bind", "/", "/", "--unshare-pid", "--unshare-ipc", "--proc", "/proc", "--dev", "/dev")
_TRIAL_TIMEOUT = 10.0
_MACHINES = ("x86_64", "aarch64")
_SWITCHES = (
    ("kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces", "0", "15000"),
    (
        "kernel.apparmor_restrict_unprivileged_userns",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "0",
    ),
)
"""Name, file, the value that forbids, and one that allows."""

_had: set[Isolation] = {"process"}


def lacking(isolation: Isolation) -> str | None:
    """Why containers cannot have this level here, and what to do; None if they can. May take 10 ms, the first time."""
    if isolation in _had:
        return None
    if isolation == "oci":
        return "this version of Motet has no OCI level"
    problem = bubblewrap_lacks()
    if problem is None:
        _had.add(isolation)
    return problem


def bubblewrap_lacks() -> str | None:
    """The same of the level of that name, tried anew."""
    if (machine := os.uname().machine) not in _MACHINES:
        return f"it is not available on {machine} processors, only on {' and '.join(_MACHINES)}"
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed here, and is needed for it: apt-get install bubblewrap"
    command = [program, *_TRIAL, *(() if os.geteuid() == 0 else ("--unshare-user",)), "true"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=_TRIAL_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not work here: {error}"
    if tried.returncode == 0:
        return None
    said = tried.stderr.strip().splitlines()[-1:] or [f"it ended with status {tried.returncode}"]
    return f"bubblewrap does not work here ({said[0]}){_what_to_do()}"


def _what_to_do() -> str:
    for name, path, forbids, allows in _SWITCHES:
        try:
            with open(path) as file:
                value = file.read().strip()
        except OSError:
            continue
        if value == forbids:
            return f": this machine forbids namespaces of users; allow them with sysctl -w {name}={allows}, as root"
    return (
        ": in a container, it may have to be started with the right to make namespaces (docker run --cap-add SYS_ADMIN)"
    )
