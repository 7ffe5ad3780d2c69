"""Which large arguments are in memory before they are delivered: the first ones of those that wait, as far as there is room."""

from __future__ import annotations

from collections import OrderedDict

from motet.store.blob_reference import StoredPayload


class ArgumentsAhead:
    """Holds `most` bytes at most. It decides, and fetches nothing itself."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._held: dict[StoredPayload, bytes | None] = {}
        """None: they are on their way here."""
        self._line: OrderedDict[StoredPayload, None] = OrderedDict()
        """Those that are not held, in the order in which they are expected to be delivered."""

    @property
    def size(self) -> int:
        """Bytes that are held, or on their way."""
        return self._size

    def add(self, stored: StoredPayload, data: bytes | None = None) -> None:
        """These are to be delivered some time; `data` is in memory as yet."""
        # Behind those that wait for room nobody has any: or they would be overtaken.
        if data is not None and not self._line and self._size + stored.size <= self._most:
            self._size += stored.size
            self._held[stored] = data
        else:
            self._line[stored] = None

    def take(self, stored: StoredPayload) -> bytes | None:
        """They are delivered, or not needed any more. None: they are not here."""
        self._line.pop(stored, None)
        if stored not in self._held:
            return None
        self._size -= stored.size
        return self._held.pop(stored)

    def next(self) -> StoredPayload | None:
        """The first that there is room for, which are on their way from now on."""
        stored = next(iter(self._line), None)
        if stored is None or self._size + stored.size > self._most:
            return None
        del self._line[stored]
        self._size += stored.size
        self._held[stored] = None
        return stored

    def arrived(self, stored: StoredPayload, data: bytes | None) -> None:
        """What was on its way is here, or could not be had. It may have been taken since."""
        if stored in self._held:
            if data is None:
                self.take(stored)
            else:
                self._held[stored] = data
