"""Results shown by commands that must not run what is in a pickle: those of plain values alone."""

from __future__ import annotations

import io
import pickle
from typing import Any, NoReturn

from motet.errors import Error
from motet.wire import plain
from motet.wire.encoding import Encoding, body_of_result, encoding_of

MOST = 100_000
"""Characters that are shown."""


class _PlainUnpickler(pickle.Unpickler):
    """Builds numbers, text, lists and the like; whatever has a name is refused, so that nothing is imported or called."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """See `pickle.Unpickler`."""
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")

    def persistent_load(self, pid: Any) -> NoReturn:
        """See `pickle.Unpickler`."""
        raise pickle.UnpicklingError("something outside of the pickle is no plain value")


def shown(payload: bytes) -> str | None:
    """A result as Python writes it; None if there is more in it than plain values."""
    encoding = encoding_of(payload)
    try:
        if encoding is Encoding.PICKLE:
            value = _PlainUnpickler(io.BytesIO(body_of_result(payload))).load()
        else:
            value = plain.loads(body_of_result(payload), encoding, "the result")
    except (pickle.UnpicklingError, Error, ValueError, EOFError, AttributeError, IndexError, KeyError, TypeError):
        return None
    text = repr(value)
    return text if len(text) <= MOST else f"{text[:MOST]} ... ({len(text):,} characters)"
