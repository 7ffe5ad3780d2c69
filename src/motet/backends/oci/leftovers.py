"""OCI containers whose backend is gone. They end with their connection to it; what an engine did not delete then is deleted."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from motet.backends.oci.programs import EnginePrograms
from motet.backends.oci.template import OWNER


def owner_of_this_process() -> str:
    """What tells this process from all others of this machine, before it and after it."""
    return f"{os.getpid()}:{_began(os.getpid())}"


def has_ended(owner: str) -> bool:
    """Whether the process of that name is gone."""
    pid, _, began = owner.partition(":")
    if not (pid.isdecimal() and began.isdecimal()):
        return False
    return _began(int(pid)) != int(began)


def _began(pid: int) -> int:
    """When a process did, in ticks since the machine started; 0 if there is none, or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


async def end_leftovers(programs: EnginePrograms, owner: str) -> None:
    """Delete the containers of backends whose processes have ended."""
    with contextlib.suppress(OSError):
        lines = (await _said(programs.names(OWNER))).splitlines()
        found = (line.split("\t") for line in lines if "\t" in line)
        names = [name for name, whose in found if whose != owner and has_ended(whose)]
        if names:
            await _said(programs.kill(names))


async def _said(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    written, _ = await process.communicate()
    return written.decode(errors="replace")
