"""How the engine names principals."""

from __future__ import annotations

from collections.abc import Callable


class PrincipalNumbers(dict[str, int]):
    """By identity: the number of the client that was the first of a principal. Where the server is inside a program, that is
    the program: processes forked from it act for it."""

    def __init__(self, new: Callable[[], int]) -> None:
        super().__init__()
        self._new = new

    def of(self, identity: str, number: int = 0) -> int:
        """A principal's; `number`, or a new one, if it has none yet."""
        if identity not in self:
            self[identity] = number or self._new()
        return self[identity]
