"""What the audit log tells of requests: which ones, and what they were about. One place over the table of rights."""

from __future__ import annotations

from typing import Any

from motet.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
)
from motet.server.access.rights import CALL, HOST, LOOK, NEEDED, SERVE
from motet.wire import report
from motet.wire.bundle_messages import OfferBundle, PutPieces
from motet.wire.client_messages import RequestFailed
from motet.wire.image_messages import BuildImages

PARTS = frozenset({OfferBundle, PutPieces, BuildImages})
"""Those that are parts of what another asks for."""

AUDITED = frozenset(kind for kind, it in NEEDED.items() if it and not it & (CALL | LOOK | HOST | SERVE)) - PARTS
"""The messages that say what runs and who may do what: those that take a right to deploy, operate or administer."""

TOLD = (
    "name",
    "rights",
    "lifetime",
    "limits",
    "app_id",
    "function_id",
    "container_id",
    "call_id",
    "input_id",
    "call_ids",
    "app",
    "function",
    "paused",
    "version",
    "tag",
    "strategy",
    "percent",
    "terminate_containers",
    "graceful",
    "keep_versions",
    "dry_run",
    "since",
)
"""Fields that are told. Those of no other name are: what they hold may be secret."""

_MAX_TEXT = 200
_OWN = (
    f"{each.__module__}.{each.__qualname__}"
    for each in (
        AlreadyExistsError,
        ConflictError,
        InvalidError,
        NotFoundError,
        PermissionDeniedError,
        ResourceExhaustedError,
    )
)
_TEXT_IS_OURS = frozenset(_OWN)
"""Errors with texts of our own. Those of others may have been written by users' code, with what that should not have told."""


def kind_of(kind: type[Any]) -> str:
    """The name of a message on the wire."""
    tag = kind.__struct_config__.tag
    return tag if isinstance(tag, str) else kind.__name__


def about(body: Any) -> dict[str, Any]:
    """What a request is about."""
    found: dict[str, Any] = {}
    for name in TOLD:
        value = getattr(body, name, None)
        if isinstance(value, str) and value:
            found[name] = value[:_MAX_TEXT]
        elif isinstance(value, tuple | list) and value:
            found[name] = [str(each)[:_MAX_TEXT] for each in value[:_MAX_TEXT]]
        elif isinstance(value, bool | int | float):
            found[name] = value
    # An app that begins is told of by its declaration.
    if isinstance(spec_name := getattr(getattr(body, "spec", None), "name", None), str):
        found.setdefault("name", spec_name[:_MAX_TEXT])
    return found


def why(body: RequestFailed) -> str:
    """What a request failed for, on one line."""
    failure = report.read(body.failure)
    name = failure.type_name.rpartition(".")[2]
    if failure.type_name not in _TEXT_IS_OURS:
        return name
    return f"{name}: {failure.message.splitlines()[0] if failure.message else ''}"[:_MAX_TEXT]


def is_refusal(body: RequestFailed) -> bool:
    """Whether it failed because whoever asked may not."""
    return report.read(body.failure).type_name.rpartition(".")[2] == PermissionDeniedError.__name__
