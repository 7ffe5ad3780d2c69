"""Processes write to pipes of their input: its lines, also when they outlive it, and no descriptor is left over."""

from __future__ import annotations

import gc
import os
import subprocess
import threading

from motet.runtime.output.child_output import ChildOutput
from motet.runtime.output.input_output import InputOutput
from motet.wire.output_messages import Written


class Input:
    def __init__(self, number: int) -> None:
        self.sent: list[Written] = []
        self.came = threading.Condition()
        self.output = InputOutput("fc-1", number, self._send, 0.0)

    def _send(self, written: Written, chars: int) -> bool:
        with self.came:
            self.sent.append(written)
            self.came.notify_all()
        return True

    def lines(self, stream: str) -> list[str]:
        return [line for it in self.sent if it.stream == stream for line in it.lines]

    def wait_line(self, text: str) -> bool:
        with self.came:
            return self.came.wait_for(lambda: text in self.lines("stdout") + self.lines("stderr"), 20)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_a_process_has_written_is_there_when_its_input_ends() -> None:
    children, it = ChildOutput(), Input(0)
    stdout, stderr = children.pipes(it.output) or (-1, -1)
    assert children.pipes(it.output) == (stdout, stderr)
    subprocess.run(["sh", "-c", "echo out; echo err >&2; printf unfinished"], stdout=stdout, stderr=stderr, check=True)
    children.end(it.output)
    assert (it.lines("stdout"), it.lines("stderr")) == (["out", "unfinished"], ["err"])


def test_lines_of_a_process_that_outlives_its_input_are_still_the_inputs() -> None:
    children, it = ChildOutput(), Input(0)
    stdout, _ = children.pipes(it.output) or (-1, -1)
    with subprocess.Popen(["sh", "-c", "read x; echo $x"], stdin=subprocess.PIPE, stdout=stdout, text=True) as process:
        children.end(it.output)
        it.output.end()
        assert children.pipes(it.output) is None
        process.communicate("late\n")
    assert it.wait_line("late")


def test_no_descriptors_are_left_when_inputs_and_processes_have_ended() -> None:
    children, first = ChildOutput(), Input(0)
    children.pipes(first.output)
    children.end(first.output)
    gc.collect()  # what other tests left open is not to be closed in between
    before = descriptors()
    for number in range(50):
        it = Input(number)
        stdout, _ = children.pipes(it.output) or (-1, -1)
        subprocess.run(["echo", str(number)], stdout=stdout, check=True)
        children.end(it.output)
        assert it.lines("stdout") == [str(number)]
    assert descriptors() == before
