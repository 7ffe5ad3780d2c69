"""What is between a sandbox and the machine, and how much it may take: from what it was asked to be."""

from __future__ import annotations

from motet.errors import InvalidError
from motet.model.isolation import Isolation, Limits
from motet.model.sandbox import SandboxSpec

_MIB = 2**20


def level_of(spec: SandboxSpec) -> Isolation:
    """The isolation level that it runs on. Raises `InvalidError` for what that cannot give: less would be no answer."""
    if spec.isolation not in (None, "process"):
        raise InvalidError(
            f"the isolation level {spec.isolation!r} cannot be had for sandboxes on this server, which runs them as processes: "
            'leave it out, or give isolation="process"'
        )
    if spec.block_network:
        raise InvalidError(
            "block_network=True needs walls, and this server runs sandboxes as processes, which use their machine's network"
        )
    return "process"


def limits_of(spec: SandboxSpec) -> Limits:
    """What it has set a limit to: the second of two numbers, as for functions."""
    cpu, memory = spec.resources.cpu, spec.resources.memory_mib
    return Limits(
        cpu=cpu[1] if isinstance(cpu, tuple) else None,
        memory=memory[1] * _MIB if isinstance(memory, tuple) else None,
    )
