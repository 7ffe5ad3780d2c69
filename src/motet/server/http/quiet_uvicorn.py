"""What uvicorn logs for this server is left out, and nothing is changed for a uvicorn that the program runs itself."""

from __future__ import annotations

import logging
import threading

from uvicorn import Config

_logger = logging.getLogger("uvicorn.error")


class QuietConfig(Config):
    """uvicorn's settings, which leave its loggers alone: they are the program's."""

    def configure_logging(self) -> None:
        """Nothing: uvicorn's own takes handlers from the access log where that is not wanted."""


class Silence(logging.Filter):
    """Within it (`with`), what uvicorn says on this thread is left out: apps' errors are in their containers' output."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        _logger.addFilter(self)

    def __exit__(self, *_: object) -> None:
        _logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread or record.levelno >= logging.CRITICAL
