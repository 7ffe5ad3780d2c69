"""What a container is started with, beside its address and token: its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from motet.wire.container_messages import Configure


def environment(
    base: Mapping[str, str], configuration: Configure, container_id: str, gpus: Sequence[str]
) -> dict[str, str]:
    """All variables of a container: what it inherits, what its function gives, and who it is."""
    env = {
        **base,
        # GPUs are for those who ask for them.
        "CUDA_VISIBLE_DEVICES": "",
        **_of_environment(base, configuration.spec.image.python),
        **configuration.spec.image.env,
        **configuration.spec.env,
        "MOTET_CONTAINER_ID": container_id,
        "MOTET_APP_ID": configuration.app_id,
        "MOTET_IS_REMOTE": "1",
        # The names Modal programs look for.
        "MODAL_TASK_ID": container_id,
        "MODAL_IS_REMOTE": "1",
    }
    if gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return env


def _of_environment(base: Mapping[str, str], python: str) -> dict[str, str]:
    """What activating the environment of an image sets: programs that are started by their name are the environment's."""
    if not python:
        return {}
    directory = os.path.dirname(python)
    return {
        "VIRTUAL_ENV": os.path.dirname(directory),
        "PATH": os.pathsep.join(filter(None, (directory, base.get("PATH", os.defpath)))),
    }
