"""An OCI image that was built of an image's steps."""

from __future__ import annotations

import msgspec

from motet.model.hidden import hides_secrets


@hides_secrets
class OciImage(msgspec.Struct, frozen=True, kw_only=True):
    """An OCI image that an engine has: by which name, with which interpreter and variables. `runtime`: the directory of the
    host with Motet for that interpreter, which containers find at `runtime_at`. `entrypoint`, `command`, `workdir`: what it
    says of the commands that run in it; of its steps and of what it begins with. `version`: that of its Python."""

    name: str
    python: str
    env: tuple[tuple[str, str], ...]
    runtime: str
    runtime_at: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    workdir: str = ""
    version: str = ""
