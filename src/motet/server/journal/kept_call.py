"""What a journal is told of a call that is spawned, and knows of one."""

from __future__ import annotations

import msgspec

from motet.errors import NotFoundError
from motet.model.function import FunctionVariant
from motet.model.outcome import NewInput
from motet.server.apps.catalogue import Catalogue
from motet.server.clients.spawned import SpawnedInputs
from motet.store.journal import Journal, KeptCall

_encode = msgspec.msgpack.Encoder().encode
read_variant = msgspec.msgpack.Decoder(FunctionVariant).decode


def variant_of(function_id: str, functions: Catalogue) -> tuple[str, bytes]:
    """What a function is a variant of, and what makes it that; empty if it is none."""
    bound = functions.variant(function_id)
    return ("", b"") if bound is None else (bound.base, _encode(bound.variant))


def kept_call(spawn: SpawnedInputs, now: float, variant: tuple[str, bytes]) -> KeptCall:
    """The call as it is kept, without a key."""
    event = spawn.event
    return KeptCall(
        event.call_id,
        spawn.app,
        event.function_id,
        event.method,
        event.client if event.principal is None else event.principal,
        now,
        spawn.called_as,
        event.parent_input_id or "",
        event.trace,
        event.at_most_once,
        b"",
        b"",
        variant[0],
        variant[1],
    )


def with_inputs(spawn: SpawnedInputs, inputs: list[NewInput]) -> SpawnedInputs:
    """The same with these inputs, of which none is here."""
    event = msgspec.structs.replace(spawn.event, inputs=inputs, again=False)
    return SpawnedInputs(event, spawn.take, spawn.app, spawn.called_as)


def is_kept(call_id: str, journal: Journal) -> bool:
    """Whether there is such a call."""
    try:
        journal.kept(call_id)
    except NotFoundError:
        return False
    return True
