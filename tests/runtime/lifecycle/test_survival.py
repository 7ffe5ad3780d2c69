"""What a process says that containers cannot be forked from."""

from __future__ import annotations

import ctypes.util
import subprocess
import sys
import textwrap

import pytest

BEFORE = """
from motet.runtime.lifecycle.survival import obstacle, open_descriptors
before = open_descriptors()
"""
AFTER = """
print(obstacle(before))
"""

NOTHING = [
    "import json, uuid; uuid.uuid4()",
    "file = open('/proc/self/stat'); nothing = open('/dev/null')",
    "import asyncio; asyncio.run(asyncio.sleep(0))",
    "import subprocess; subprocess.run(['true'])",
    "import threading; thread = threading.Thread(target=int); thread.start(); thread.join()",
    "import socket; socket.socket().close()",
]

SOMETHING = [
    (
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True, name='poller').start()",
        "the thread 'poller' runs, which no fork takes along",
    ),
    (
        """
        import threading
        for name in 'ab':
            threading.Thread(target=threading.Event().wait, daemon=True, name=name).start()
        """,
        "the threads 'a', 'b' run, which no fork takes along",
    ),
    ("import subprocess; child = subprocess.Popen(['cat'], stdin=subprocess.PIPE)", "the process 'cat ("),
    ("import os; ends = os.pipe()", "a pipe is open (pipe:["),
    ("import asyncio; loop = asyncio.new_event_loop()", "an event loop"),
    ("import select; selector = select.epoll()", "an event loop or a selector is open"),
    (
        "import socket; sock = socket.create_server(('127.0.0.1', 0))",
        "a socket at 127.0.0.1:",
    ),
    (
        """
        import socket
        server = socket.create_server(('127.0.0.1', 0))
        sock = socket.create_connection(server.getsockname())
        accepted = server.accept()[0]
        server.close()
        """,
        "a connection to 127.0.0.1:",
    ),
    ("import os; device = os.open('/dev/ptmx', os.O_RDWR)", "the device /dev/"),
    ("import _thread, threading; _thread.start_new_thread(threading.Event().wait, ())", "the native thread"),
]


def told(code: str) -> str:
    program = BEFORE + textwrap.dedent(code) + AFTER
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("code", NOTHING)
def test_what_has_ended_or_can_be_shared_is_no_obstacle(code: str) -> None:
    assert told(code) == "None\n"


@pytest.mark.parametrize(("code", "expected"), SOMETHING)
def test_an_obstacle_is_named(code: str, expected: str) -> None:
    text = told(code)
    assert text.startswith(expected)
    assert "@motet.enter()" in text


def test_threads_that_a_library_ends_before_a_fork_are_no_obstacle() -> None:
    """As those of OpenBLAS, which numpy has."""
    code = """
    import _thread, os, threading
    stop = threading.Event()
    _thread.start_new_thread(stop.wait, ())
    os.register_at_fork(before=stop.set)
    """
    assert told(code) == "None\n"


def test_threads_of_openmp_are_ended_and_a_forked_process_has_others() -> None:
    if ctypes.util.find_library("gomp") is None:
        pytest.skip("there is no libgomp here, whose threads these would be")
    code = """
    import ctypes, os
    library = ctypes.CDLL("libgomp.so.1")
    seen = set()
    work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: seen.add(library.omp_get_thread_num()))
    library.GOMP_parallel(work, None, 3, 0)
    assert len(os.listdir("/proc/self/task")) > 1
    assert obstacle(before) is None
    seen.clear()
    if (child := os.fork()) == 0:
        library.GOMP_parallel(work, None, 3, 0)
        os._exit(len(seen))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    """
    assert told(code) == "None\n"
