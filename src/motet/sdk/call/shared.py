"""What handles on shared state have in common: made, listed and removed by name."""

from __future__ import annotations

from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.standing import connection_for_id
from motet.model.shared_state import MAIN_ENVIRONMENT, StateView, described, named_id
from motet.wire.by_value import ByValue
from motet.wire.state_messages import ListState, MakeState, RemoveState


def on(state_id: str) -> Steps[tuple[Connection, ByValue]]:
    """The connection for it, and what the other side cannot import."""
    return (yield from connection_for_id(described(state_id)))


def make(state_id: str, allow_existing: bool) -> Steps[bool]:
    """Make it; whether it was not there. Raises `AlreadyExistsError`."""
    connection, _ = yield from on(state_id)
    reply = yield from connection.request(MakeState(state_id, allow_existing))
    return bool(reply.changed)


def remove(state_id: str, allow_missing: bool) -> Steps[bool]:
    """Remove it with all that it holds; whether it was there. Raises `NotFoundError`."""
    connection, _ = yield from on(state_id)
    reply = yield from connection.request(RemoveState(state_id, allow_missing))
    return bool(reply.changed)


def listed(prefix: str, environment: str | None) -> Steps[list[StateView]]:
    """Those with names in an environment."""
    where = named_id(prefix, "x", environment)  # checks the name of the environment
    connection, _ = yield from on(where)
    reply = yield from connection.request(ListState(prefix, environment or MAIN_ENVIRONMENT))
    return list(reply.views)
