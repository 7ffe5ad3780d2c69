"""The log of a host agent does not grow for ever."""

from __future__ import annotations

import os
from pathlib import Path

from motet.agent.agent_log import rotate


def test_what_is_there_is_put_aside_when_it_is_much_and_writing_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    with open(path, "ab", buffering=0) as log:
        log.write(b"one\n")
        rotate(log.fileno(), most_bytes=4)
        assert path.read_bytes() == b"one\n"
        log.write(b"two\n")
        rotate(log.fileno(), most_bytes=4)
        log.write(b"three\n")
        assert path.read_bytes() == b"three\n"
        assert os.fstat(log.fileno()).st_ino == path.stat().st_ino
        assert Path(f"{path}.1").read_bytes() == b"one\ntwo\n"


def test_what_is_no_file_is_left_as_it_is() -> None:
    read, write = os.pipe()
    os.write(write, b"much")
    rotate(write, most_bytes=1)
    assert os.read(read, 10) == b"much"
    os.close(read)
    os.close(write)
