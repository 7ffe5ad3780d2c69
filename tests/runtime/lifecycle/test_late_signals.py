"""Signals that the main thread would be late to handle. In processes of their own: only their main threads have handlers."""

from __future__ import annotations

import subprocess
import sys

BEGIN = """
import os, select, signal, socket, threading
from motet.runtime.lifecycle.late_signals import LateSignals
main = threading.get_ident()
signal.signal(signal.SIGUSR1, lambda *_: None)
late = LateSignals(lambda: signal.pthread_kill(main, signal.SIGUSR1))
late.install()
"""


def output_of(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_a_blocking_read_does_not_put_off_the_handler_of_a_signal_that_another_thread_gets() -> None:
    program = """
ours, theirs = socket.socketpair()
def on_terminate(*_):
    print("handled")
    theirs.send(b"over")
signal.signal(signal.SIGTERM, on_terminate)
late.listen()
def tell():
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    pause = 0.0
    while pause < float("inf"):
        select.select([late.descriptor], [], [], pause)
        pause = late.look()
threading.Timer(0.05, tell).start()
print(ours.recv(10))
"""
    assert output_of(program) == "handled\nb'over'"


def test_a_program_that_sets_a_descriptor_finds_none_and_leaves_none() -> None:
    program = """
late.listen()
reading, writing = os.pipe2(os.O_NONBLOCK)
print(signal.set_wakeup_fd(writing))
signal.raise_signal(signal.SIGUSR1)
print(os.read(reading, 10) == bytes([signal.SIGUSR1]))
print(signal.set_wakeup_fd(-1) == writing)
signal.raise_signal(signal.SIGUSR1)
print(os.read(late.descriptor, 10) == bytes([signal.SIGUSR1]))
"""
    assert output_of(program).split() == ["-1", "True", "True", "True"]


def test_a_descriptor_that_the_program_has_set_before_is_kept() -> None:
    program = """
reading, writing = os.pipe2(os.O_NONBLOCK)
signal.set_wakeup_fd(writing)
late.listen()
print(signal.set_wakeup_fd(-1) == writing, signal.set_wakeup_fd(-1))
"""
    assert output_of(program).split() == ["True", "-1"]


def test_signals_of_a_forked_child_are_its_own() -> None:
    program = """
late.listen()
pid = os.fork()
if pid == 0:
    signal.raise_signal(signal.SIGUSR1)
    os._exit(signal.set_wakeup_fd(-1) + 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), select.select([late.descriptor], [], [], 0)[0])
"""
    assert output_of(program) == "0 []"
