"""What a container in an OCI image is to see of this machine: Motet, the program, and files that its image adds then."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from motet.bundles.environment import in_environment
from motet.model.isolation import Mount
from motet.wire.container_messages import Configure


def in_image(configuration: Configure, shown: Iterable[Mount]) -> Iterator[Mount]:
    """All of it. `shown`: the program's own files and directories, and those of its interpreter, which the image has itself."""
    image = configuration.spec.image
    if image.oci is not None:
        yield Mount(source=image.oci.runtime, target=image.oci.runtime_at)
    for mount in shown:
        if not in_environment(mount.source):
            yield mount
    yield from added_files(configuration)


def added_files(configuration: Configure) -> Iterator[Mount]:
    """What the image adds when a container starts, at the paths that it says."""
    for files in configuration.spec.image.files:
        if files.kind != "module" and posixpath.isabs(files.target):
            yield Mount(source=files.source, target=posixpath.normpath(files.target))
