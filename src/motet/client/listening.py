"""How long whoever receives from a server waits before it looks up, and for how long nothing has come."""

from __future__ import annotations

from motet.client.cluster import DOUBT_INTERVAL, Cluster
from motet.client.streams import ByteStream
from motet.errors import ConnectionError

CONFIRM_AFTER = 0.02
"""Seconds without news after which the server is told what is here."""
HEARTBEATS = 3
"""In the time for which a server may be silent."""
HEARTBEAT_OF_SEVERAL = 1.0
"""Seconds without a word after which other servers are asked whether one of them leads now, if several are named."""


class Listening:
    """To one server, by the thread that receives. `most`: seconds for which nothing may come; 0: any. `is_one_of_several`:
    other servers were named, too.

    Waits are counted, and not the time: a client that stands still itself has asked nobody."""

    def __init__(self, cluster: Cluster, most: float, *, is_one_of_several: bool) -> None:
        self._cluster = cluster
        self.most = most
        self.heartbeat = most / HEARTBEATS
        """Seconds after which the server says something at least; 0: it need not."""
        if is_one_of_several:
            self.heartbeat = min(self.heartbeat, HEARTBEAT_OF_SEVERAL)
        self.is_short = False
        """There is something to tell the server, soon."""
        self._waited = self._wait = 0.0

    def expect_bytes(self, stream: ByteStream) -> None:
        """Have whoever receives look up after a while, from now on."""
        seconds = CONFIRM_AFTER if self.is_short else self.heartbeat
        self._wait = min(seconds or DOUBT_INTERVAL, DOUBT_INTERVAL) if self._cluster.in_doubt else seconds
        stream.expect_bytes(self._wait)

    def end(self) -> None:
        """Something has come."""
        self._waited = 0.0

    def begin_anew(self) -> None:
        """There is another connection."""
        self.is_short, self._waited = False, 0.0

    def check(self, address: str) -> None:
        """Nothing has come for one more wait. Raises `ConnectionError` if that is too much, and `AnotherLeads`."""
        self._waited += self._wait
        if self._waited >= self.most > 0 and self.heartbeat:
            raise ConnectionError(f"nothing came from the server for {self.most:g} s (MOTET_SILENCE)")
        if self._cluster.in_doubt:
            self._cluster.check_doubt(address)
        elif self._waited >= self.heartbeat > 0:
            self._cluster.check_leads(address, self.heartbeat)
