"""Which cluster a server has its containers on, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from motet.model.hidden import hides_secrets

KEEP = 60.0


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """A Ray cluster: `address` is "auto", or the host and port of its head. `keep`: seconds for which what is reserved and
    not needed is kept. `env`: of the cluster driver."""

    address: str
    keep: float = KEEP
    env: dict[str, str] = field(default_factory=dict)
