"""The loss of a client, as apps meet it."""

from __future__ import annotations


class ClientLeft(OSError):
    """What `send` raises when the client is gone: as ASGI wants it, an `OSError`."""


def is_about_client(error: BaseException | None) -> bool:
    """Whether an app ended with an error because its client left: frameworks raise exceptions of their own for that."""
    while error is not None:
        if isinstance(error, ClientLeft):
            return True
        error = error.__cause__ or error.__context__
    return False
