"""A container goes on in the interpreter of its image, whose environment runs code when that starts: so within its walls.

`python -P -m motet.runtime.lifecycle.other_interpreter DESCRIPTOR ENTRY`, in the process that was forked.
"""

from __future__ import annotations

import os
import sys

from motet.runtime.lifecycle.birth import NAME, Entry, end_with, write_lines
from motet.runtime.lifecycle.entries import named_entry
from motet.wire.template import Fork, decode_fork, encode_fork


def in_interpreter(python: str, name: str) -> Entry:
    """The entry of this name, in this interpreter."""

    def entry(fork: Fork) -> int:
        descriptor = os.memfd_create("fork", 0)  # open in what is executed
        os.write(descriptor, encode_fork(fork))
        os.lseek(descriptor, 0, os.SEEK_SET)
        optimize = ["-" + "O" * sys.flags.optimize] if sys.flags.optimize else []
        os.execve(python, [python, "-P", *optimize, "-m", __name__, str(descriptor), name], os.environb)

    return entry


def main() -> None:
    """Go on."""
    with open(int(sys.argv[1]), "rb") as file:
        fork = decode_fork(file.read())
    name = sys.argv[2]
    sys.argv[:] = NAME
    write_lines()
    end_with(lambda: named_entry(name)(fork))


if __name__ == "__main__":
    main()
