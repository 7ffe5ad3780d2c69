"""Apps, their functions, and what became of the pools and containers of these."""

from __future__ import annotations

from typing import Literal

import msgspec

from motet.model.isolation import Isolation


class AppRecord(msgspec.Struct, frozen=True):
    """An app that ran on a server; `ended_at` is None while it does, or if its server was killed."""

    app_id: str
    name: str
    started_at: float
    ended_at: float | None = None


class FunctionRecord(msgspec.Struct, frozen=True):
    """A function of an app, with the settings it began with. `variant_of`: the id of the function it was varied from."""

    function_id: str
    app_id: str
    name: str
    max_inputs: int
    target_inputs: int | Literal["auto"]
    variant_of: str | None = None


class ContainerRecord(msgspec.Struct):
    """A container's life so far; a phase that it has not reached is None. Its cold start in phases:

    placing from `wanted_at` to `started_at`, starting until `connected_at`, loading (import) until `loaded_at`, entering
    (hooks) until `ready_at`. `isolation`: its isolation level; empty in records of before that was kept.
    """

    container_id: str
    function_id: str
    wanted_at: float
    started_at: float
    reason: str = ""
    connected_at: float | None = None
    loaded_at: float | None = None
    ready_at: float | None = None
    ended_at: float | None = None
    end: str = ""
    isolation: Isolation | Literal[""] = ""
