"""What a request that failed is answered with: whoever asked must not wait for ever, whatever went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable

from motet.errors import Error, InternalError
from motet.wire import client_messages as m
from motet.wire import report

logger = logging.getLogger("motet.server")


def refusal(body: m.RequestBody, error: Exception) -> m.RequestFailed:
    """Our own errors are the answer; anything else is a bug of ours, which is logged and told as an `InternalError`."""
    if isinstance(error, Error):
        return m.RequestFailed(report.of(error))
    logger.error("a request failed: %s", type(body).__name__, exc_info=error)
    text = f"{type(error).__name__}: {error}. This is a bug in Motet: please report it with the server's log."
    return m.RequestFailed(report.of(InternalError(text)))


def answer(reply: Callable[[m.ReplyBody], None], request: m.RequestBody, body: m.ReplyBody) -> None:
    """Send an answer; if it cannot be sent (it has no bytes, or too many), say so instead."""
    try:
        reply(body)
    except Exception as error:
        reply(refusal(request, error))
