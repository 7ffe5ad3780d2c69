"""What a certificate says that has to be known without a library for certificates: its key, and until when it holds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from motet.errors import InvalidError

_ALGORITHM = "sha256:"
_FINGERPRINT = r"[0-9a-f]{64}"
_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17
_VALIDITY, _KEY = 3, 5
"""Which fields of what is signed they are, behind its version."""


def key_fingerprint(certificate: bytes) -> str:
    """The SHA-256 of the public key (SubjectPublicKeyInfo) in a certificate (DER): it stays when the certificate is renewed.
    Raises `ValueError` for what is no certificate."""
    return _ALGORITHM + hashlib.sha256(_fields(certificate)[_KEY][1]).hexdigest()


def valid_until(certificate: bytes) -> float:
    """When a certificate (DER) expires, on the wall clock. Raises `ValueError` for what is no certificate."""
    from datetime import UTC, datetime

    _, (kind, end) = _elements(_content(_fields(certificate)[_VALIDITY][1]))
    text = _content(end).decode("ascii")
    if kind == _UTC_TIME:  # two digits of a year: 1950 to 2049
        text = ("19" if text[0] >= "5" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def checked_fingerprint(text: str, said: str) -> str:
    """A fingerprint in the form in which servers print it; colons and capitals do not matter. Raises `InvalidError`."""
    plain = text.strip().lower()
    digits = plain.removeprefix(_ALGORITHM).replace(":", "")
    if not plain.startswith(_ALGORITHM) or not re.fullmatch(_FINGERPRINT, digits):
        raise InvalidError(
            f"{said}: a fingerprint is sha256: and 64 hexadecimal digits, as `motet server` prints it; it is {text!r}"
        )
    return _ALGORITHM + digits


def checked_fingerprints(text: str, said: str) -> tuple[str, ...]:
    """One or several, with commas between them. Raises `InvalidError`."""
    return tuple(checked_fingerprint(part, said) for part in text.split(","))


def is_same_fingerprint(one: str, other: str) -> bool:
    """Whether two fingerprints in that form are of one key."""
    import secrets  # late, as most of what certificates need

    return secrets.compare_digest(one, other)


def _fields(certificate: bytes) -> list[tuple[int, bytes]]:
    """What is signed: its fields behind the version."""
    try:
        (kind, whole), *_ = _elements(certificate)
        (inner, signed), *_ = _elements(_content(whole))
        fields = list(_elements(_content(signed)))
        if (kind, inner) != (_SEQUENCE, _SEQUENCE):
            raise IndexError
        if fields[0][0] == _VERSION:
            del fields[0]
        fields[_KEY]
    except (IndexError, ValueError):
        raise ValueError("this is no certificate") from None
    return fields


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and bytes of each element (DER) that follow each other here."""
    at = 0
    while at < len(data):
        begin, length = _header(data, at)
        if begin + length > len(data):
            raise ValueError("cut off")
        yield data[at], data[at : begin + length]
        at = begin + length


def _content(element: bytes) -> bytes:
    return element[_header(element, 0)[0] :]


def _header(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of an element begins, and how long it is."""
    length = data[at + 1]
    if length < 0x80:
        return at + 2, length
    count = length & 0x7F
    return at + 2 + count, int.from_bytes(data[at + 2 : at + 2 + count], "big")
