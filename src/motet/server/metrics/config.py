"""How metrics are served."""

from __future__ import annotations

from dataclasses import dataclass

from motet.errors import InvalidError


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where metrics are served on a port of their own: the address to listen on; port 0 is a free one."""

    host: str = "127.0.0.1"
    port: int

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InvalidError(f"MOTET_METRICS_PORT must be a port, or 0 for a free one; it is {self.port}")
