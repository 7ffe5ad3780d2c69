"""The query of a URL: what is for the server is taken out, and the rest left byte for byte."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import unquote_to_bytes


def split_query(query: bytes, names: Container[str]) -> tuple[dict[str, str], bytes]:
    """The values of these names, the last of each, and the query without them. Raises `ValueError` for a value that is not
    UTF-8."""
    given: dict[str, str] = {}
    rest: list[bytes] = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        key = _decoded(name).decode(errors="replace")
        if key in names:
            try:
                given[key] = _decoded(value).decode()
            except UnicodeDecodeError:
                raise ValueError(f"the value of {key} is not in UTF-8: {value!r}") from None
        else:
            rest.append(part)
    return given, b"&".join(rest)


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
