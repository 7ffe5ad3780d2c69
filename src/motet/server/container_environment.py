"""What containers inherit of the environment that their server runs in, under what functions have of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from motet.client.variables import VARIABLES

SECRETS = frozenset(name for name, row in VARIABLES.items() if row.is_withheld)
"""Variables that are secrets of a server or client, or say where they lie: containers do not inherit them."""

MORE = "MOTET_CONTAINER_ENV"

_INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "PYTHON*",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CUDA_*",
    "NVIDIA_*",
    "MOTET_BLOCKED_AFTER",
    "MOTET_LOG_RATE",
    # For the host agent, which has containers started in OCI images: by the programs, and from the store, that the server's
    # builds use.
    "MOTET_BUILDER",
    "MOTET_OCI_OPTIONS",
    "MOTET_OCI_RUNTIME",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
)


def container_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Of a server inside a program: the program's environment, but for secrets, and `TMPDIR`: containers have temporary
    directories of their own. Relative search paths are made absolute, for the template is elsewhere."""
    return _absolute({name: value for name, value in env.items() if name not in SECRETS and name != "TMPDIR"})


def inherited(env: Mapping[str, str]) -> dict[str, str]:
    """Of a server that stays: what programs need to run at all, and what MOTET_CONTAINER_ENV names ("A,B_*"). The rest, such
    as passwords of whoever started the server, is not the containers' business."""
    names = (*_INHERITED, *(name.strip() for name in env.get(MORE, "").split(",") if name.strip()))
    return _absolute({name: value for name, value in env.items() if name not in SECRETS and _is_named(name, names)})


def _is_named(name: str, names: tuple[str, ...]) -> bool:
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in names)


def _absolute(env: dict[str, str]) -> dict[str, str]:
    if path := env.get("PYTHONPATH"):
        env["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in path.split(os.pathsep) if entry)
    return env
