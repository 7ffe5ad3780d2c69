"""How a server is configured: one frozen object. The only reader of the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from motet.core.host import DEFAULT_LIMITS, HostLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything a server can be told.

    `listen`: where containers connect: "unix" (a socket in a private directory), "tcp" (a free port on 127.0.0.1), or "nowhere"
    (whoever starts them brings connections).
    `base_env`: the environment containers start from, under the function's own.
    `stop_grace`: seconds for exit hooks when an app stops.
    `web_port`: where requests to web functions are taken, on 127.0.0.1; 0 is a free port.
    """

    listen: str = "unix"
    base_env: dict[str, str] = field(default_factory=dict)
    limits: HostLimits = HostLimits()
    stop_grace: float = 30.0
    web_port: int = 0

    @classmethod
    def from_environment(cls) -> ServerConfig:
        """The embedded server's: `MOTET_LISTEN`, `MOTET_CONTAINERS_PER_FUNCTION`, `MOTET_WEB_PORT`, `MOTET_DRAIN_GRACE`,
        `MOTET_FREEZE_GRACE`; containers get the client's environment."""
        cores = len(os.sched_getaffinity(0))
        limits = HostLimits(
            containers_per_pool=int(os.environ.get("MOTET_CONTAINERS_PER_FUNCTION", max(16, 8 * cores))),
            starting=max(8, 2 * cores),
            drain_grace=float(os.environ.get("MOTET_DRAIN_GRACE", DEFAULT_LIMITS.drain_grace)),
            freeze_grace=float(os.environ.get("MOTET_FREEZE_GRACE", DEFAULT_LIMITS.freeze_grace)),
        )
        return cls(
            listen=os.environ.get("MOTET_LISTEN", "unix"),
            base_env=_container_environment(),
            limits=limits,
            web_port=int(os.environ.get("MOTET_WEB_PORT", "0")),
        )


def _container_environment() -> dict[str, str]:
    """The client's environment. Containers have directories of their own, so relative search paths are made absolute."""
    env = dict(os.environ)
    if path := env.get("PYTHONPATH"):
        env["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in path.split(os.pathsep) if entry)
    return env
