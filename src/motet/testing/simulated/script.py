"""What an input of a simulated world does: for how long, and how it ends. Nobody pickles it."""

from __future__ import annotations

from typing import Literal

import msgspec

from motet.model.outcome import OutcomeKind


class Script(msgspec.Struct, frozen=True):
    """Runs for `seconds`, and then succeeds or fails; or kills its container."""

    key: str
    seconds: float
    ends: Literal["success", "failure", "death"] = "success"


class ScriptResult(msgspec.Struct, frozen=True):
    """What an attempt at one gives, which says whose it is."""

    key: str
    attempt: int


_encode = msgspec.json.Encoder().encode
_script: msgspec.json.Decoder[Script] = msgspec.json.Decoder(Script)
_result: msgspec.json.Decoder[ScriptResult] = msgspec.json.Decoder(ScriptResult)


def encoded(value: Script | ScriptResult) -> bytes:
    """As an input's payload, or an outcome's."""
    return _encode(value)


def script_of(payload: bytes) -> Script:
    """The script in an input's payload."""
    return _script.decode(payload)


def result_of(kind: OutcomeKind, payload: bytes) -> ScriptResult | None:
    """Whose outcome it is; None: the server made it."""
    if kind not in (OutcomeKind.SUCCESS, OutcomeKind.FAILURE):
        return None
    try:
        return _result.decode(payload)
    except msgspec.MsgspecError:
        return None
