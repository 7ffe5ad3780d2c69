"""What only the server's own parts know of, and observers are told: past tense; values only. All else is in the engine's turns.

So are the records that are complete when it happens (`records/facts.py`): the recorder keeps them as they are told.
"""

from __future__ import annotations

import msgspec

from motet.model.isolation import Isolation
from motet.records.arguments import DefinitionRecord
from motet.records.facts import FactRecord
from motet.records.pools import FunctionRecord


class AppStarted(msgspec.Struct, frozen=True):
    """Its functions follow."""

    app_id: str
    name: str


class AppEnded(msgspec.Struct, frozen=True):
    """Its last container is gone."""

    app_id: str


class FunctionDeclared(msgspec.Struct, frozen=True):
    """It can be called from now on; without a pool, only variants of it can."""

    record: FunctionRecord
    app_name: str
    has_pool: bool
    definition: DefinitionRecord | None = None


class FunctionGone(msgspec.Struct, frozen=True):
    """Its app has stopped, or nobody has used it for a while."""

    function_id: str


class InputTraced(msgspec.Struct, frozen=True):
    """Inputs came for this function that are part of a trace."""

    function_id: str


class ContainerConnected(msgspec.Struct, frozen=True):
    """Its process runs and has said hello."""

    container_id: str


class ContainerCameBack(msgspec.Struct, frozen=True):
    """A server before this one had started it; it is back, and takes inputs."""

    container_id: str
    function_id: str
    isolation: Isolation = "process"


class ContainerEntered(msgspec.Struct, frozen=True):
    """It takes inputs; the last `seconds` were spent in its hooks."""

    container_id: str
    seconds: float


class ContainerGone(msgspec.Struct, frozen=True):
    """Its process has ended, as `description` says."""

    container_id: str
    description: str


Fact = (
    AppStarted
    | AppEnded
    | FunctionDeclared
    | FunctionGone
    | InputTraced
    | ContainerConnected
    | ContainerCameBack
    | ContainerEntered
    | ContainerGone
    | FactRecord
)
