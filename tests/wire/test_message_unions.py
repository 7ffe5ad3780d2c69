"""Every message can be decoded by whoever it is for."""

from __future__ import annotations

import typing
from collections.abc import Hashable
from typing import Any

from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.inputs import InputRecord
from motet.wire.client_messages import ReplyBody, RequestBody, ToClient
from motet.wire.codec import ToServer
from motet.wire.container_messages import ToControl, ToExecutor
from motet.wire.host_messages import ToHost
from motet.wire.message import Message
from motet.wire.sandbox_messages import SandboxAnswer, SandboxAsk, ToSandbox


def test_every_message_belongs_to_a_direction_or_is_part_of_one_that_does() -> None:
    unions = (
        *(ToServer, ToClient, ToExecutor, ToControl, ToSandbox, ToHost),
        *(SandboxAsk, SandboxAnswer, RequestBody, ReplyBody),
    )
    covered = {member for union in unions for member in typing.get_args(union)}
    assert set(Message.__subclasses__()) <= covered


def test_no_message_gives_out_arguments_that_are_kept() -> None:
    """They are in the records for `motet call rerun`, which reads the files: whoever has these may see everything there."""
    parts = {kind: _parts(kind, set()) for kind in Message.__subclasses__()}
    assert any(InputRecord in found for found in parts.values()), "what is in messages is found"
    assert [kind for kind, found in parts.items() if found & {ArgumentsRecord, DefinitionRecord}] == []


def _parts(kind: Any, found: set[Any]) -> set[Any]:
    """All types that a type has in it."""
    if isinstance(kind, Hashable) and kind not in found:
        found.add(kind)
        for part in typing.get_args(kind):
            _parts(part, found)
        if isinstance(kind, type) and kind.__module__.startswith("motet."):
            for hint in typing.get_type_hints(kind).values():
                _parts(hint, found)
    return found
