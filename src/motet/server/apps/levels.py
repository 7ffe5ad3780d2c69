"""On which isolation level each function runs: its own word, or else the server's; and whether that level can be had here."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from motet.errors import InvalidError, ServiceError
from motet.model.function import FunctionSpec
from motet.model.isolation import Isolation


class LevelsHere:
    """`default`: of functions that say nothing. `lacks`: see `Backend`. `listen`: how containers reach the server."""

    def __init__(self, default: Isolation, lacks: Callable[[Isolation], str | None], listen: str = "unix") -> None:
        self._default = default
        self._lacks = lacks
        self._listens_on_tcp = listen == "tcp"

    def check_default(self) -> None:
        """Raise `ServiceError` if functions that say nothing could not run here."""
        if (problem := self._lacks(self._default)) is not None:
            raise ServiceError(f"the isolation level {self._default!r} cannot be had on this machine: {problem}")

    def asks_for_image(self, spec: FunctionSpec) -> bool:
        """Whether it runs, or may run, in an environment or image of its own: which one is for the server to say."""
        image = spec.image
        return image.asks_for_environment or bool(image.python) or (spec.isolation or self._default) == "oci"

    def settled(self, spec: FunctionSpec) -> FunctionSpec:
        """This function with its level said. Raises `InvalidError` if it cannot run on that here."""
        isolation = self.of(spec.name, spec.isolation, block_network=spec.block_network)
        image = spec.image
        if isolation == "oci" and (disk := spec.resources.disk_mib) is not None:
            raise InvalidError(
                f"{spec.name}: ephemeral_disk={disk} cannot be kept on the isolation level 'oci', where the engine bounds no "
                'disk: leave it out, or give the function isolation="bubblewrap"'
            )
        if isolation == "oci" and image.oci is None:
            raise InvalidError(
                f"{spec.name} is to run on the isolation level 'oci', and no OCI image was built for it when its app started: "
                'declare it with isolation="oci", which with_options cannot change to'
            )
        if isolation != "oci" and image.oci is not None:
            # Which image and which files of this machine it names is for this server to say, and it has said none.
            image = replace(image, oci=None)
        return (
            spec
            if (spec.isolation, spec.image) == (isolation, image)
            else replace(spec, isolation=isolation, image=image)
        )

    def of(self, name: str, isolation: Isolation | None, *, block_network: bool, what: str = "function") -> Isolation:
        """The level of what has this name, is a function or `what`, and asked for that. Raises `InvalidError` if it cannot run
        on that here."""
        isolation = isolation or self._default
        if (problem := self._lacks(isolation)) is not None:
            raise InvalidError(f"{name} is to run on the isolation level {isolation!r}, which cannot be had: {problem}")
        if block_network and isolation == "process":
            raise InvalidError(
                f"{name}: block_network=True needs walls, and this server runs containers as processes, which use the "
                f'network of their machine; give the {what} isolation="bubblewrap", or the server --isolation bubblewrap'
            )
        if block_network and self._listens_on_tcp:
            raise InvalidError(
                f"{name}: block_network=True would keep it from this server, too, which listens on TCP "
                "(MOTET_LISTEN); have it listen on a Unix socket"
            )
        return isolation
