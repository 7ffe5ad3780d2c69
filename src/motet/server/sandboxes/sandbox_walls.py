"""What is between a sandbox and the machine, and how much it may take: from what it was asked to be."""

from __future__ import annotations

from motet.backends.base import Launch
from motet.errors import InvalidError
from motet.model.isolation import PIDS_WITHIN_WALLS, Isolation, Limits
from motet.model.sandbox import SandboxSpec
from motet.server.apps.levels import LevelsHere
from motet.server.containers.walling import Walling

ENTRY = "motet.runtime.sandbox.supervisor:main"
"""What a sandbox runs in place of a function."""
_MIB = 2**20


class SandboxWalls:
    """Those of all sandboxes of a server; levels and walls are as those of functions."""

    def __init__(self, levels: LevelsHere, walling: Walling) -> None:
        self._levels = levels
        self._walling = walling

    def level(self, spec: SandboxSpec) -> Isolation:
        """The isolation level that it runs on. Raises `InvalidError` for what that cannot give: less would be no answer."""
        isolation = self._levels.of(named(spec), spec.isolation, block_network=spec.block_network, what="sandbox")
        if isolation == "oci" and (spec.encrypted_ports or spec.unencrypted_ports or spec.h2_ports):
            raise InvalidError(
                f"{named(spec)}: containers of the isolation level 'oci' have a network of their own, and no tunnel leads "
                'to a port there yet: use isolation="bubblewrap" for encrypted_ports and unencrypted_ports'
            )
        return isolation

    def launch(
        self,
        sandbox_id: str,
        spec: SandboxSpec,
        isolation: Isolation,
        whose: str,
        env: dict[str, str],
        token: str,
        note: bytes,
    ) -> Launch:
        """What a backend needs to start it. `whose`: those of one have the same user within walls."""
        address, template = self._walling.without_program(isolation, whose, spec.image, network=not spec.block_network)
        return Launch(
            container_id=sandbox_id,
            address=address,
            token=token,
            env=env,
            note=note,
            template=template,
            limits=limits_of(spec, isolation),
            entry=ENTRY,
        )


def named(spec: SandboxSpec) -> str:
    """What it is called in messages."""
    return f"the sandbox {spec.name!r}" if spec.name else "the sandbox"


def limits_of(spec: SandboxSpec, isolation: Isolation) -> Limits:
    """What it has set a limit to: the second of two numbers, as for functions."""
    cpu, memory = spec.resources.cpu, spec.resources.memory_mib
    return Limits(
        cpu=cpu[1] if isinstance(cpu, tuple) else None,
        memory=memory[1] * _MIB if isinstance(memory, tuple) else None,
        pids=None if isolation == "process" else PIDS_WITHIN_WALLS,
    )
