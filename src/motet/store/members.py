"""The servers that share a database: each says there now and then that it is there, and where it is reached."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

LONGEST_SILENCE = 10.0
"""Seconds without a word after which a server is not told of any more."""


class ServerMember(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. `home`: its machine and directory, by which it is the same after a restart. `holder`: who it is, in words.
    `address`, `fingerprint`: where clients reach it, and what its key is known by. `term`: the one that it leads with; 0: it
    stands by. `lease`: the seconds that it was told its lease should run; 0: it was not."""

    home: str
    holder: str
    motet: str
    address: str = ""
    fingerprint: str = ""
    term: int = 0
    lease: float = 0.0

    @property
    def host(self) -> str:
        """The name of its machine."""
        return self.home.partition(":")[0]


class SeenMember(NamedTuple):
    """One that has said something `age` seconds ago, by the database's clock."""

    member: ServerMember
    age: float


class Members(Protocol):
    """For one thread. All methods raise `ServiceError`."""

    def note(self, member: ServerMember) -> None:
        """It is there."""
        ...

    def seen(self) -> list[SeenMember]:
        """Those that have said something within `LONGEST_SILENCE`, by their homes."""
        ...

    def homes(self) -> list[str]:
        """Of all that were ever there and have not left, whatever has become of them."""
        ...

    def leave(self, home: str) -> None:
        """The one of this home is not there any more. Idempotent."""
        ...

    def lease_seconds(self) -> float | None:
        """For how long a lease runs, as all of them are to have it; None: nobody has said that yet."""
        ...

    def set_lease_seconds(self, seconds: float) -> None:
        """Have it run so long. Only for who leads."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...
