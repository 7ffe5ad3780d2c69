"""What one end of a conversation has said, kept until the other end has it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from motet.errors import ConnectionError


class KeptMessages:
    """Frames, each with how many messages are in it. One thread may say while another hears what was taken: each counts for
    itself."""

    __slots__ = ("_frames", "_gone_bytes", "_said_bytes", "_taken", "said")

    def __init__(self) -> None:
        self.said = 0
        """Messages, since the conversation began."""
        self._said_bytes = self._gone_bytes = 0
        self._taken = 0
        self._frames: deque[tuple[int, bytes]] = deque()
        """Each with the number of its last message."""

    def say(self, frames: Iterable[tuple[int, bytes]]) -> None:
        """These are said now."""
        for count, frame in frames:
            self.said += count
            self._said_bytes += len(frame)
            self._frames.append((self.said, frame))

    def taken(self, count: int) -> None:
        """The other end has so many messages. Raises `ConnectionError` for a number that makes no sense."""
        if count > self.said:
            raise ConnectionError(f"{count} messages are said to be taken in, and only {self.said} were sent")
        self._taken = max(self._taken, count)
        while self._frames and self._frames[0][0] <= count:
            self._gone_bytes += len(self._frames.popleft()[1])

    def after(self, count: int) -> list[bytes]:
        """What the other end lacks, which has so many messages. Raises `ConnectionError` if that is not here any more."""
        if count < self._taken:
            raise ConnectionError(f"{count} messages are said to be taken in, and {self._taken} were before")
        self.taken(count)
        return [frame for _, frame in self._frames]

    @property
    def size_bytes(self) -> int:
        """Of the frames that are kept."""
        return self._said_bytes - self._gone_bytes

    @property
    def more_than_oldest_bytes(self) -> int:
        """What is kept beside the oldest frame, which may be of any size that a frame may have."""
        return self.size_bytes - len(self._frames[0][1]) if self._frames else 0
