"""How the engine names principals."""

from __future__ import annotations

from collections.abc import Callable

from motet.server.access.door import principal_number


class PrincipalNumbers(dict[str, int]):
    """By identity. `stays`: the number is what all servers make of the identity; otherwise it is that of the client that was
    the first of a principal, or a `new` one. Where the server is inside a program, that is the program's: processes forked from
    it act for it."""

    def __init__(self, new: Callable[[], int], *, stays: bool) -> None:
        super().__init__()
        self._new = new
        self._stays = stays

    def of(self, identity: str, number: int = 0) -> int:
        """A principal's; `number` is that of its client, if it has one."""
        if identity not in self:
            self[identity] = principal_number(identity) if self._stays else number or self._new()
        return self[identity]
