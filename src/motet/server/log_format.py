"""How a server that stays writes its own log: lines for people, or one JSON object each."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from motet.errors import InvalidError
from motet.server import request_log

VARIABLE = "MOTET_LOG_FORMAT"

_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Formatter):
    """One object on one line: `at`, `level`, `logger`, `message`, the id of the request it belongs to, what a line's maker has
    given as `fields`, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := request_log.current_request.get():
            line["request_id"] = request_id
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line).decode()


def wants_json(env: Mapping[str, str]) -> bool:
    """Whether MOTET_LOG_FORMAT is "json"; "text" is what holds without it. Raises `InvalidError` for anything else."""
    choice = env.get(VARIABLE) or "text"
    if choice not in ("text", "json"):
        raise InvalidError(f"{VARIABLE} must be 'text' or 'json'; it is {choice!r}")
    return choice == "json"


def log_json() -> None:
    """From now on all that this process logs goes to stderr as JSON, requests included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger().handlers[:] = [handler]
    logging.getLogger("motet").setLevel(logging.INFO)
    logging.captureWarnings(True)
