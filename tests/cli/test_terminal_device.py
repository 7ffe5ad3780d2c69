"""A pseudo-terminal as a command sees it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import tty
from collections.abc import Iterator

import pytest

from motet.cli.terminal_device import TerminalDevice


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Whoever looks, and the terminal."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def test_text_is_written_in_the_terminals_encoding(ends: tuple[int, int]) -> None:
    TerminalDevice(ends[1], "latin-1").write("grün 日")
    assert os.read(ends[0], 100) == b"gr\xfcn \\u65e5"


def test_it_is_read_while_keys_or_passwords_are(ends: tuple[int, int]) -> None:
    device = TerminalDevice(ends[1], "utf-8")
    assert not device.is_read()
    before = termios.tcgetattr(ends[1])
    tty.setcbreak(ends[1])
    assert device.is_read()
    termios.tcsetattr(ends[1], termios.TCSANOW, before)
    assert not device.is_read()
    assert not device.is_others()  # it controls no process of ours


def test_lines_typed_ahead_are_counted_until_they_are_read(ends: tuple[int, int]) -> None:
    device = TerminalDevice(ends[1], "utf-8")
    os.write(ends[0], b"Pe")
    assert os.read(ends[0], 100)  # it is shown: the terminal has it
    assert device.typed_ahead() == 0
    os.write(ends[0], b"ter\n")
    select.select([ends[1]], [], [])
    assert device.typed_ahead() == len("Peter\n")
    os.read(ends[1], 100)
    assert device.typed_ahead() == 0


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_it_is_shared_while_a_command_writes_to_it(ends: tuple[int, int], stream: str) -> None:
    device = TerminalDevice(ends[1], "utf-8")
    silent = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert not device.is_shared()
    writing = subprocess.Popen(["sleep", "60"], **{stream: ends[1]})  # type: ignore[call-overload]
    assert device.is_shared()
    for process in (writing, silent):
        process.kill()
        process.wait()
    assert not device.is_shared()


def test_a_terminal_without_a_size_has_that_of_the_first_ones(ends: tuple[int, int]) -> None:
    assert TerminalDevice(ends[1], "utf-8").size() == (80, 24)
