"""Messages that hold lists, cut in two: several payloads that are each allowed may together be more than a frame may be."""

from __future__ import annotations

from typing import Any

import msgspec

from motet.wire import client_messages as m
from motet.wire.container_messages import Cancel, Deliver, DeliverBatched, FeedItems, Finished, Items
from motet.wire.deployment_messages import DeploymentsListed
from motet.wire.operator_messages import (
    AppsFound,
    AuditFound,
    CallGraphFound,
    CallsFound,
    ContainersFound,
    EndedInputsFound,
    FunctionsFound,
    InputsViewed,
    LogsFound,
    ServerViewed,
)
from motet.wire.output_messages import Output, Written
from motet.wire.queue_messages import ItemsGot
from motet.wire.sandbox_messages import FilesListed, SandboxesListed
from motet.wire.schedule_messages import SchedulesListed
from motet.wire.state_messages import EntriesListed, StateListed

_LISTS: dict[type[Any], str] = {
    m.SubmitInputs: "inputs",
    m.FeedCall: "items",
    Finished: "attempts",
    Items: "items",
    Output: "entries",
    Deliver: "attempts",
    DeliverBatched: "attempts",
    FeedItems: "items",
    Cancel: "attempts",
    m.Outcomes: "ended",
    m.CallItems: "items",
    m.OutputLines: "lines",
    ServerViewed: "views",
    InputsViewed: "views",
    LogsFound: "lines",
    CallsFound: "calls",
    EndedInputsFound: "records",
    AppsFound: "apps",
    AuditFound: "entries",
    FunctionsFound: "functions",
    ContainersFound: "containers",
    CallGraphFound: "inputs",
    DeploymentsListed: "found",
    SchedulesListed: "found",
    SandboxesListed: "views",
    FilesListed: "files",
    ItemsGot: "items",
    EntriesListed: "entries",
    StateListed: "views",
    Written: "lines",
}
"""The list that grows with what users do. What else a message holds is small, or bounded where it is made."""


def halves(message: Any) -> tuple[Any, Any] | None:
    """Two messages that say together what this one says; None if it cannot be cut.

    Whoever gets the first part of a batch or of a reply waits for the rest: its `more` is set.
    """
    if isinstance(message, m.Reply):
        parts = halves(message.body)
        return parts and (
            m.Reply(message.request_id, parts[0], True),
            m.Reply(message.request_id, parts[1], message.more),
        )
    name = _LISTS.get(type(message))
    if name is None:
        return None
    items = getattr(message, name)
    if len(items) > 1:
        first, second = items[: len(items) // 2], items[len(items) // 2 :]
    elif isinstance(message, Output) and items and (parts := halves(items[0])):
        first, second = [parts[0]], [parts[1]]
    else:
        return None
    rest = msgspec.structs.replace(message, **{name: second})
    changes = {name: first, "more": True} if isinstance(message, DeliverBatched) else {name: first}
    return msgspec.structs.replace(message, **changes), rest


def joined(earlier: m.ReplyBody | None, body: m.ReplyBody) -> m.ReplyBody:
    """The body of a reply of which an earlier part came before; the lists of both in one."""
    name = _LISTS.get(type(body))
    if earlier is None or name is None or type(earlier) is not type(body):
        return body
    return msgspec.structs.replace(body, **{name: [*getattr(earlier, name), *getattr(body, name)]})
