"""What stands in a journal in place of a payload that is kept as a blob.

Each blob belongs to one input of one call, and is written once, under a name that no other one ever has: the call, the term and
the number of the write, whose arguments or result it is, and the hash of its content. So nothing needs to be counted to know
whether it may go: it is needed as long as its input says so in the journal, and a name of an earlier term never comes into a
journal again.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal, NamedTuple, Self

from motet.records.arguments import ArgumentsRecord

MARKER = b"\xc1motet-blob\n"
"""How a reference begins. Neither pickles nor marked payloads begin with this byte, which no encoding uses; and a payload of
somebody's making that does begin so is kept as a blob itself."""

_CALL = r"fc-[0-9A-Za-z_-]{1,100}"
_NAME = re.compile(
    rf"(?P<area>[0-9a-z]+)/(?P<call>{_CALL})/(?P<term>\d+)\.(?P<number>\d+)\.(?P<what>[ar])\.(?P<index>-?\d+)\."
    r"(?P<digest>[0-9a-f]{64})"
)
_REFERENCE = re.compile(rb"(?P<name>[ -~]+) (?P<size>\d+)")
_is_call = re.compile(_CALL).fullmatch

What = Literal["a", "r"]
"""Arguments, or a result."""


class BlobName(NamedTuple):
    """What the name of a blob says. `area`: which of the places that a server knows it lies in; `number`: which of the writes
    of its term it was; `place`: the index of the input in its call; `digest`: the SHA-256 of its content."""

    area: str
    call_id: str
    term: int
    number: int
    what: What
    place: int
    digest: str

    def __str__(self) -> str:
        return f"{self.area}/{self.call_id}/{self.term}.{self.number}.{self.what}.{self.place}.{self.digest}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None: it is none of ours."""
        found = _NAME.fullmatch(text)
        if found is None:
            return None
        what: What = "a" if found["what"] == "a" else "r"
        numbers = int(found["term"]), int(found["number"])
        return cls(found["area"], found["call"], *numbers, what, int(found["index"]), found["digest"])

    @property
    def owner(self) -> str:
        """Whose it is, in words that take the singular."""
        return (
            f"the blob with the {'arguments' if self.what == 'a' else 'result'} of input {self.place} of {self.call_id}"
        )


def may_name(call_id: str) -> bool:
    """Whether blobs can be named after a call. Ids that Motet has made can; whoever makes up others keeps payloads inline."""
    return _is_call(call_id) is not None


def digest_of(data: bytes) -> str:
    """What names of blobs say of their content."""
    return hashlib.sha256(data).hexdigest()


class StoredPayload(bytes):
    """A payload that is kept as a blob. These bytes are the reference to it, as a journal has it."""

    __slots__ = ()

    @classmethod
    def of(cls, name: BlobName, size: int) -> Self:
        """The reference to a blob."""
        return cls(MARKER + f"{name} {size}".encode())

    @property
    def name(self) -> BlobName | None:
        """Which blob it is; None: it cannot be read."""
        found = _REFERENCE.fullmatch(self, len(MARKER))
        return None if found is None else BlobName.read(found["name"].decode())

    @property
    def size(self) -> int:
        """How many bytes the payload has; 0 if that cannot be read."""
        found = _REFERENCE.fullmatch(self, len(MARKER))
        return 0 if found is None else int(found["size"])


IN_JOURNAL = StoredPayload()
"""Stands in memory for a payload that only the journal has, and that is no blob: it has no bytes, as no payload has."""


def as_kept(payload: bytes) -> bytes:
    """A payload as it lies in a journal; a `StoredPayload` if that is a reference."""
    return StoredPayload(payload) if payload.startswith(MARKER) else payload


def large_arguments(record: ArgumentsRecord) -> StoredPayload | None:
    """The blob with the arguments of an input that failed; None: the record has them. One of another input is never meant: who
    made the arguments up would have its data."""
    kept = as_kept(record.payload)
    if not isinstance(kept, StoredPayload) or (name := kept.name) is None:
        return None
    return kept if (name.call_id, name.what, name.place) == (record.call_id, "a", record.index) else None


def left_to_journal(payload: bytes) -> StoredPayload:
    """What is in memory of a payload that a journal has: of one that is a blob, the reference."""
    return payload if isinstance(payload, StoredPayload) else IN_JOURNAL
