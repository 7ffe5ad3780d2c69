"""How the dashboard is configured."""

from __future__ import annotations

from dataclasses import dataclass

from motet.errors import InvalidError

DEFAULT_PORT = 8420


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardConfig:
    """Where the dashboard is served: `host` and `port` to listen on; port 0 is a free one, and None `DEFAULT_PORT`, or a
    free one if that is taken."""

    host: str = "127.0.0.1"
    port: int | None = None

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= 65535:
            raise InvalidError(f"MOTET_DASHBOARD_PORT must be a port, or 0 for a free one; it is {self.port}")
