"""The loss of a client, as apps meet it, and what they make of it."""

from __future__ import annotations

from collections.abc import Iterator

_WORDS = ("Disconnect", "ClientLeft", "ConnectionClosed", "WebsocketClosed", "WebSocketClosed")
"""In the names of exceptions by which frameworks tell their apps that a client is gone."""


class ClientLeft(OSError):
    """What `send` raises when the client is gone: as ASGI wants it, an `OSError`."""


def is_about_client(error: BaseException, told: bool = False) -> bool:
    """Whether an app ended with an error because its client left. `told`: it has received that the client is gone, and
    frameworks raise exceptions of their own for that."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_about_client(member, told) for member in error.exceptions)
    return any(isinstance(it, ClientLeft) or (told and _says_so(it)) for it in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _says_so(error: BaseException) -> bool:
    """By its name; or it comes from the code that frameworks have for WebSockets, which complains of what is over."""
    if any(word in type(error).__name__ for word in _WORDS):
        return True
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb is not None and "websocket" in tb.tb_frame.f_globals.get("__name__", "").rpartition(".")[2].lower()
