"""The thread that runs handlers of signals, while it is another one than the main thread."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, signal, threading
from motet.runtime.cancellation.signalled_thread import SignalledThread, introduce_thread
from motet.runtime.cpython.interruption import main_state_word, main_thread_word, thread_state

introduce_thread()
signalled = SignalledThread.found()
assert signalled is not None
idents, over = [], threading.Event()

def stay():
    introduce_thread()
    idents.append(threading.get_ident())
    over.wait()

threading.Thread(target=stay, daemon=True).start()
while not idents:
    pass
with signalled.moved_to(idents[0]):
    pid = os.fork()
    if pid == 0:
        word = main_thread_word()
        assert word is not None
        state = main_state_word(word, thread_state())
        os._exit(0 if thread_state() == 0 or state is not None else 1)
    # As the handler does, that ends the effect early.
    signalled.restore()
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    signal.signal(signal.SIGRTMAX - 2, lambda *_: None)
"""


def test_in_a_process_that_is_forked_meanwhile_it_is_the_one_that_forked() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "0"
