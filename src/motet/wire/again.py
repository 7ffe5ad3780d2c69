"""What a client says again to the server after the one that it had: requests of its own numbers."""

from __future__ import annotations

from motet.wire.client_messages import BindFunction, CreateApp, Request, UpdateAutoscaler

FIRST_NUMBER = 1 << 48
"""Requests that are made again have numbers from here on: nobody waits for their answers."""


def is_said_again(request: Request) -> bool:
    """Whether this was answered by a server before this one, which is why its client asks once more."""
    return request.request_id >= FIRST_NUMBER and isinstance(request.body, CreateApp | BindFunction | UpdateAutoscaler)
