"""The files of a container that runs, as an image."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path

from motet.backends.oci.programs import EnginePrograms
from motet.errors import ServiceError
from motet.model.oci_image import OciImage

_CONTAINER = re.compile(r"[0-9a-f]{64}")


async def snapshot(programs: EnginePrograms, env: Mapping[str, str], process: int, name: str, of: OciImage) -> None:
    """See `ImageBuilder.snapshot`."""
    # What Motet has started there is no command of the image's.
    changes = [f"ENTRYPOINT {json.dumps(list(of.entrypoint))}", f"CMD {json.dumps(list(of.command))}"]
    engine = await asyncio.create_subprocess_exec(
        *programs.commit(container_of(process), name, changes),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(env),
    )
    try:
        said, _ = await engine.communicate()
    finally:
        if engine.returncode is None:
            engine.kill()
            await engine.wait()
    if engine.returncode:
        raise ServiceError(
            f"{programs.engine} did not make an image of the files: {said.decode(errors='replace').strip()}"
        )


def container_of(process: int, proc: Path = Path("/proc")) -> str:
    """The id of the OCI container that a process is in, as the kernel says: what runs in there has no say in it. Raises
    `ServiceError`."""
    try:
        found = _CONTAINER.findall((proc / str(process) / "cgroup").read_text())
    except OSError:
        found = []
    if len(set(found)) != 1:
        raise ServiceError(f"the control groups of process {process} do not say which OCI container it is in")
    return str(found[0])
