"""What containers write, from their output to whoever wants it: one hop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from motet.server.peers import Peer
from motet.wire.client_messages import OutputLines

UNREAD_BYTES = 8 * 1024 * 1024
"""What may wait to be sent to a client before lines are left out for it."""
NOTICE_INTERVAL = 1.0
"""Seconds after which it is looked whether a client that did not read lines reads again."""

Keep = Callable[[str, OutputLines], None]
"""Is given all lines, with the id of the function whose container wrote them."""
Show = Callable[[OutputLines], None]
"""Is given the lines of one app."""


class Lines:
    """Gives each batch of lines to those who keep all of them, and to those who are shown their app's."""

    def __init__(self) -> None:
        self._keepers: tuple[Keep, ...] = ()
        self._shown: dict[str, tuple[Show, ...]] = {}

    def keep(self, keeper: Keep) -> None:
        """Give it all lines from now on."""
        self._keepers += (keeper,)

    def show(self, app_id: str, to: Show) -> None:
        """Give it the lines of an app from now on, until `forget`."""
        self._shown[app_id] = (*self._shown.get(app_id, ()), to)

    def leave(self, app_id: str, to: Show) -> None:
        """The opposite of `show`. Idempotent."""
        self._shown[app_id] = tuple(each for each in self._shown.get(app_id, ()) if each != to)

    def forget(self, app_id: str) -> None:
        """The app has stopped: there will be no more."""
        self._shown.pop(app_id, None)

    def written(self, function_id: str, lines: OutputLines) -> None:
        """A container of this function wrote these."""
        for keep in self._keepers:
            keep(function_id, lines)
        for show in self._shown.get(lines.app_id, ()):
            show(lines)


class LineReader:
    """Shows lines to one client over its connection, while it reads. What it does not read is left out, counted, and told of
    once it reads again, so that the connection stays for what matters. Lines are for people: what they miss is in the records.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._left_out: Counter[str] = Counter()
        """Lines by app, of which the client has not been told."""

    def show(self, lines: OutputLines) -> None:
        """Send these, or leave them out."""
        if self._peer.unsent_bytes < UNREAD_BYTES:
            self._peer.send((lines,))
            return
        if not self._left_out:
            self._look_later()
        self._left_out[lines.app_id] += len(lines.lines)

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(NOTICE_INTERVAL, self._look)

    def _look(self) -> None:
        if self._peer.unsent_bytes >= UNREAD_BYTES // 2:
            self._look_later()
            return
        left_out, self._left_out = self._left_out, Counter()
        for app_id, count in left_out.items():
            text = f"{count:,} lines left out here: this program did not read its output"
            self._peer.send((OutputLines(app_id, "", "", "system", [text]),))
