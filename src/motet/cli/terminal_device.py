"""A terminal that is there: what is written to it, and who else uses it."""

from __future__ import annotations

import fcntl
import os
import struct
import termios


class TerminalDevice:
    """A terminal, by one of its descriptors."""

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._line_mode = self._mode()
        self._name = _link(f"/proc/self/fd/{descriptor}")
        self._python = _link("/proc/self/exe")

    def write(self, text: str) -> None:
        """See `Terminal`. Raises `OSError` when it is gone."""
        view = memoryview(text.encode(self._encoding, "backslashreplace"))
        while view:
            view = view[os.write(self._descriptor, view) :]

    def size(self) -> tuple[int, int]:
        """See `Terminal`."""
        try:
            found = os.get_terminal_size(self._descriptor)
        except OSError:
            return 80, 24
        return found.columns or 80, found.lines or 24

    def is_read(self) -> bool:
        """See `Terminal`."""
        return self._mode() != self._line_mode

    def is_others(self) -> bool:
        """See `Terminal`."""
        try:
            return os.tcgetpgrp(self._descriptor) != os.getpgrp()
        except OSError:
            return False  # it is not the terminal that controls this process

    def is_shared(self) -> bool:
        """See `Terminal`. Processes of this Python do not count: pools of a program last as long as it does."""
        return any(
            _link(f"/proc/{pid}/exe") != self._python
            and self._name in (_link(f"/proc/{pid}/fd/1"), _link(f"/proc/{pid}/fd/2"))
            for pid in _children()
        )

    def typed_ahead(self) -> int:
        """See `Terminal`."""
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(self._descriptor, termios.FIONREAD, bytes(4)))
        except OSError:
            return 0
        return int(count)

    def _mode(self) -> int:
        """Whether lines are edited and shown by the terminal itself: passwords, readline and full screens change that."""
        try:
            flags: int = termios.tcgetattr(self._descriptor)[3]
        except termios.error:
            return 0
        return flags & (termios.ICANON | termios.ECHO)


def _children() -> list[str]:
    """The processes that this one has started."""
    found: list[str] = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children") as file:
                found += file.read().split()
        except OSError:
            continue  # it has just ended, or the kernel does not tell
    return found


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
