"""A sandbox's image, before the sandbox is created: built where that is wanted, and what its build does is shown."""

from __future__ import annotations

import hashlib
import os
import sys

import msgspec

from motet.client import reach
from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.errors import InvalidError
from motet.model.function import AppSpec
from motet.model.image import BuildPlace
from motet.model.sandbox import SandboxSpec
from motet.sdk.options.checks import is_sendable, plain
from motet.sdk.run.images import build_images, settle_image


def build_place() -> BuildPlace:
    """Where this program's code is found: an image may run and add some of it."""
    directory = os.getcwd()
    entries = (os.path.join(directory, entry) for entry in sys.path)
    return BuildPlace(
        sys_path=tuple(plain(entry) for entry in entries if is_sendable(entry)),
        project_dir=directory if is_sendable(directory) else "",
    )


_built: dict[bytes, None] = {}
"""OCI images that were asked for: asking again takes longer than to start a sandbox, whose server sees to it in any case."""
_MOST_BUILT = 64


def have_built(connection: Connection, app_name: str, spec: SandboxSpec, place: BuildPlace) -> Steps[None]:
    """Have it built. Raises `ImageBuildError`, and `InvalidError` for files that do not reach the server."""
    where = reach.named(os.environ)
    if spec.image.files and where is not None and where.is_elsewhere:
        raise InvalidError(
            f"the image of a sandbox on the server {where.address} adds {spec.image.files[0].source}, which that may not see: "
            "files travel with deployments alone. Use filesystem.copy_from_local"
        )
    app = AppSpec(name=app_name, functions=(), sys_path=place.sys_path, project_dir=place.project_dir)
    if spec.isolation == "oci":
        key = hashlib.sha256(msgspec.msgpack.encode((app_name, spec.image, place))).digest()
        if key not in _built or any(step.force for step in spec.image.steps):
            yield from build_images(connection, app, [spec.image], "", oci=True)
            _built[key] = None
            if len(_built) > _MOST_BUILT:
                del _built[next(iter(_built))]
    elif spec.image.asks_for_environment:
        yield from settle_image(connection, app, spec.image, "the sandbox", here=where is None)
