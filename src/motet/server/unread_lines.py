"""Lines for a client that does not read them: left out and counted, so that the connection stays for what matters."""

from __future__ import annotations

from collections import Counter

from motet.wire.client_messages import OutputLines

UNREAD_BYTES = 8 * 1024 * 1024
"""What may wait to be sent to a client before lines are left out for it."""


class UnreadLines:
    """Those of one client. Lines are for people: what they miss is in the records. Outcomes are not left out."""

    def __init__(self) -> None:
        self._left_out: Counter[str] = Counter()
        """Lines by app."""

    def __bool__(self) -> bool:
        """Some were left out, and the client has not been told."""
        return bool(self._left_out)

    def leave_out(self, output: OutputLines, unsent: int) -> bool:
        """Whether these lines are not to be sent, while so many bytes wait for the client."""
        if unsent < UNREAD_BYTES:
            return False
        self._left_out[output.app_id] += len(output.lines)
        return True

    def notices(self, unsent: int) -> list[OutputLines]:
        """What the client is to be told once it reads again; empty until then."""
        if unsent >= UNREAD_BYTES // 2:
            return []
        left_out, self._left_out = self._left_out, Counter()
        return [
            OutputLines(
                app_id, "", "", "system", [f"{count:,} lines left out here: this program did not read its output"]
            )
            for app_id, count in left_out.items()
        ]
