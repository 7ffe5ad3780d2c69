"""Deployments: versions of an app that a server keeps under a name, and how one takes the place of another."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from motet.errors import InvalidError

Strategy = Literal["rolling", "recreate", "canary"]
"""How a version takes over: beside the old one until it is ready, after the old one has ended, or for a part of the inputs."""
STRATEGIES: tuple[Strategy, ...] = ("rolling", "recreate", "canary")

DeploymentState = Literal["starting", "live", "canary", "replaced", "failed", "stopped"]
"""`live`: it has the name; `canary`: it has a part of the inputs. `replaced`: another one has the name, and what this one
had accepted ends on it. `failed`: it never got the name. `stopped`: the name was taken from it, and from nobody else."""

_NAME = r"[A-Za-z0-9._-]{1,63}"


class DeploymentView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a deployed app, as it is kept. Moments are of the wall clock, `ended_at` is None until nothing
    of it is left.

    `deployed_by` is a principal, `client` the Motet it was deployed with, `tag` and `commit` what its deployer said of the
    source. `source_version`: the version whose specification and bundle it has, if it was made by a rollback, or 0. `share`:
    the percentage of inputs it is given. `why`: what it failed with, or why it was rolled back.
    """

    name: str
    version: int
    app_id: str
    state: DeploymentState
    deployed_at: float
    deployed_by: str
    client: str = ""
    tag: str = ""
    commit: str = ""
    strategy: Strategy = "rolling"
    bundle: str = ""
    source_version: int = 0
    functions: int = 0
    web_functions: int = 0
    share: float = 0.0
    ended_at: float | None = None
    why: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it serves, or is about to, or ends what it accepted."""
        return self.state in ("starting", "live", "canary") or (self.state == "replaced" and self.ended_at is None)


class VersionStats(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one version lately: inputs that ended, how many of them failed, and how long the others took from
    their submission, in seconds. `share`: the percentage of calls it is given."""

    name: str
    version: int
    share: float
    inputs: int
    failed: int
    error_rate: float
    p50: float
    p95: float


def checked_name(name: str) -> str:
    """A name for a deployed app. Raises `InvalidError`."""
    if re.fullmatch(_NAME, name) is None:
        raise InvalidError(
            f"Invalid App name: {name!r}. It may have letters (A-Z, a-z), digits, dashes, periods and underscores, and must be "
            "shorter than 64 characters."
        )
    return name


def checked_strategy(strategy: str) -> Strategy:
    """A strategy by its name. Raises `InvalidError`."""
    for each in STRATEGIES:
        if each == strategy:
            return each
    raise InvalidError(f"Deployment strategy must be 'rolling', 'recreate' or 'canary', not {strategy!r}")
