"""What an input of a simulated world does: for how long, what it yields, and how it ends. Nobody pickles it."""

from __future__ import annotations

from typing import Literal
from zlib import crc32

import msgspec

from motet.model.outcome import Delivery, OutcomeKind
from motet.server.deployments.schedules import NO_ARGUMENTS

SCHEDULED = (0.01, 1.0, 4.0, 12.0)
"""Seconds for which scheduled runs go on."""


class Script(msgspec.Struct, frozen=True):
    """Runs for `seconds`, in which it yields `items`, and then succeeds or fails; or kills its container."""

    key: str
    seconds: float
    ends: Literal["success", "failure", "death"] = "success"
    items: int = 0


class ScriptResult(msgspec.Struct, frozen=True):
    """What an attempt at one gives, which says whose it is."""

    key: str
    attempt: int


class ScriptItem(msgspec.Struct, frozen=True):
    """What an attempt has yielded: its item of this number, from 0."""

    key: str
    attempt: int
    number: int


_encode = msgspec.json.Encoder().encode
_script: msgspec.json.Decoder[Script] = msgspec.json.Decoder(Script)
_item: msgspec.json.Decoder[ScriptItem] = msgspec.json.Decoder(ScriptItem)
_result: msgspec.json.Decoder[ScriptResult] = msgspec.json.Decoder(ScriptResult)


def encoded(value: Script | ScriptResult | ScriptItem) -> bytes:
    """As an input's payload, an outcome's or an item's."""
    return _encode(value)


def script_of(delivery: Delivery) -> Script:
    """The script in an input's payload. A scheduled run has no arguments: its call says for how long it runs."""
    if delivery.payload == NO_ARGUMENTS:
        seconds = SCHEDULED[crc32(delivery.call_id.encode()) % len(SCHEDULED)]
        return Script(f"{delivery.call_id}#{delivery.index}", seconds)
    return _script.decode(delivery.payload)


def item_of(payload: bytes) -> ScriptItem:
    """Whose item it is."""
    return _item.decode(payload)


def result_of(kind: OutcomeKind, payload: bytes) -> ScriptResult | None:
    """Whose outcome it is; None: the server made it."""
    if kind not in (OutcomeKind.SUCCESS, OutcomeKind.FAILURE):
        return None
    try:
        return _result.decode(payload)
    except msgspec.MsgspecError:
        return None
