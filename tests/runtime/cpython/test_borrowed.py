"""The list of what is borrowed from CPython's insides is true on this version, and complete."""

from __future__ import annotations

import ast
import asyncio
import contextvars
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import motet.runtime
from motet.runtime.cpython import interruption, processes, tasks, threads, waits
from motet.runtime.cpython.borrowed import BORROWED, CHECKED

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TIMEOUT = 20.0
ROOT = Path(motet.runtime.__file__).parent
DOCUMENTED = {"_exit", "_getframe", "_current_frames", "_replace"}
"""Of `os`, `sys` and named tuples."""


def on_thread(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(TIMEOUT)


def frames(frame: FrameType | None) -> list[FrameType]:
    """From the innermost one outwards."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def waiting(work: Callable[[], object], frame: Callable[[FrameType], bool]) -> FrameType:
    """The innermost frame of a thread that does `work`, once it is one that is meant."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    deadline = threading.Event()
    for _ in range(2000):
        inner = sys._current_frames().get(thread.ident or 0)
        if inner is not None and frame(inner):
            return inner
        deadline.wait(0.005)
    raise AssertionError("the thread did not get there")


# --- what each entry says, shown --------------------------------------------------------------------------------------


def main_thread_word() -> None:
    word = interruption.main_thread_word()
    assert word is not None
    assert word.value == threading.main_thread().ident


def main_state_word() -> None:
    word = interruption.main_thread_word()
    assert word is not None
    state = interruption.main_state_word(word, interruption.thread_state())
    assert state is not None
    assert state.value == interruption.thread_state() != on_thread(interruption.thread_state)


def set_asynchronous() -> None:
    """See `test_interruption.py`."""


def leave_wait() -> None:
    condition, over = threading.Condition(), threading.Event()

    def wait() -> None:
        with condition:
            condition.wait(TIMEOUT)

    frame = waiting(wait, lambda it: waits.is_wait(it.f_code, it.f_lineno))
    assert frame.f_code is threading.Condition.wait.__code__
    assert waits.leave_wait(frame)
    assert not waits.leave_wait(frame), "it is on the list no more"
    slow = threading.Thread(target=over.wait, daemon=True)
    slow.start()
    joining = waiting(slow.join, lambda it: waits.is_wait(it.f_code, it.f_lineno))
    assert VERSION == "3.13" or {"self", "lock"} <= set(joining.f_locals)
    over.set()


def starts_threads() -> None:
    def names() -> list[str]:
        return [it.f_code.co_name for it in frames(sys._getframe()) if it.f_globals["__name__"] == "threading"]

    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(names()))
    thread.start()
    thread.join()
    assert found
    assert all(waits.begins_thread(name) for name in found)
    assert not waits.begins_thread("wait")
    code = threading.Thread.start.__code__, ThreadPoolExecutor.submit.__code__
    assert waits.starts_threads(code[0].co_name)
    assert hasattr(ThreadPoolExecutor, "_adjust_thread_count")
    assert waits.starts_threads("_adjust_thread_count")


def is_import() -> None:
    seen: list[list[str]] = []

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "motet_no_such_module":
                seen.append([it.f_code.co_filename for it in frames(sys._getframe())])

    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
    try:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("motet_no_such_module")
    finally:
        sys.meta_path.pop(0)
    assert any(waits.is_import(file) for file in seen[0])
    assert not waits.is_import(__file__)


def is_pools_thread() -> None:
    started: list[threading.Thread] = []

    class Noted(threading.Thread):
        def start(self) -> None:
            started.append(self)
            self.of_pool = threads.is_pools_thread(self)
            super().start()

    before, threading.Thread = threading.Thread, Noted  # type: ignore[misc]
    try:
        on_thread(lambda: None)
        own = Noted(target=lambda: None)
        own.start()
        own.join()
    finally:
        threading.Thread = before  # type: ignore[misc]
    assert [it.of_pool for it in started] == [True, False]  # type: ignore[attr-defined]


def carry_excepthook() -> None:
    told: list[str] = []
    thread = threading.Thread(target=lambda: 1 / 0)
    threads.carry_excepthook(thread, lambda hook: lambda *_: told.append("in place of it" if callable(hook) else ""))
    thread.start()
    thread.join()
    assert told == ["in place of it"]


def runs_for() -> None:
    context = contextvars.copy_context()

    def look() -> list[Any]:
        return [it for frame in frames(sys._getframe()) if (it := threads.runs_for(frame)) is not None]

    with ThreadPoolExecutor(1) as pool:
        run, *_ = pool.submit(context.run, look).result(TIMEOUT)
    assert run.__self__ is context
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(look()))
    thread.run = lambda: found.extend(look())  # type: ignore[method-assign]
    thread.start()
    thread.join()
    assert found == [thread.run]


def end_pools() -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
from motet.runtime.cpython import threads
import threading
pool = ThreadPoolExecutor(1)
pool.submit(int).result()
(worker,) = [it for it in threading.enumerate() if it is not threading.main_thread()]
threads.end_pools()
worker.join(20)
print(worker.is_alive())
"""
    assert output_of(program) == "False"


def run_exit_functions() -> None:
    program = """
import atexit, os
from motet.runtime.cpython import threads
atexit.register(print, "at exit", flush=True)
threads.run_exit_functions()
os._exit(0)
"""
    assert output_of(program) == "at exit"


def mend_main_thread() -> None:
    program = """
import _thread, os, threading
from motet.runtime.cpython import threads
over = threading.Event()
def fork():
    threading.current_thread()  # as those that run inputs do
    pid = os.fork()
    if pid == 0:
        before = threading.main_thread()._tstate_lock
        threads.mend_main_thread()
        os._exit(10 if before is None and threading.main_thread()._tstate_lock is not None else 11)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    over.set()
_thread.start_new_thread(fork, ())
over.wait(20)
"""
    assert output_of(program) == "10"


def all_tasks() -> None:
    async def main() -> None:
        known = tasks.all_tasks()
        assert known is not None
        before = len(known)
        more = [asyncio.create_task(asyncio.sleep(TIMEOUT)) for _ in range(3)]
        assert len(known) == before + 3
        for task in more:
            task.cancel()
        await asyncio.gather(*more, return_exceptions=True)

    asyncio.run(main())


def context_of() -> None:
    async def main() -> None:
        context = contextvars.copy_context()
        task = asyncio.create_task(asyncio.sleep(TIMEOUT), context=context)
        assert tasks.context_of(task) is context
        task.cancel()

    asyncio.run(main())


def stopped_before_done() -> None:
    loop = asyncio.new_event_loop()
    try:
        future = loop.create_future()
        loop.call_soon(loop.stop)
        with pytest.raises(RuntimeError) as stopped:
            loop.run_until_complete(future)
        assert tasks.stopped_before_done(stopped.value)
    finally:
        loop.close()
    assert not tasks.stopped_before_done(RuntimeError("of the user's code"))


def wrap_fork_exec() -> None:
    program = """
import multiprocessing, os, subprocess, sys
from motet.runtime.cpython import processes
reading, writing = os.pipe()
def wrap(start):
    def start_redirected(*arguments):
        return start(*processes.redirected(arguments, {1: writing, 2: writing}))
    return start_redirected
processes.wrap_fork_exec(wrap, of_multiprocessing=False)
for stream in ("stdout", "stderr"):
    subprocess.run([sys.executable, "-c", f"import sys; print('{stream}', file=sys.{stream})"], check=True, cwd="/")
print(os.read(reading, 100))
"""
    assert output_of(program) == r"b'stdout\nstderr\n'"


def runs_one_after_the_other() -> None:
    async def files() -> list[str]:
        return [it.f_code.co_filename for it in frames(sys._getframe())]

    on_loop = asyncio.run(files())
    in_pool = on_thread(lambda: [it.f_code.co_filename for it in frames(sys._getframe())])
    assert any(processes.runs_one_after_the_other(file) for file in on_loop)
    assert any(processes.runs_one_after_the_other(file) for file in in_pool)
    assert not processes.runs_one_after_the_other(threading.__file__)


def is_worker_fork() -> None:
    assert processes.is_worker_fork(importlib.import_module("concurrent.futures.process").__file__ or "")
    assert processes.is_worker_fork(importlib.import_module("multiprocessing.pool").__file__ or "")
    assert processes.is_multiprocessing_fork(importlib.import_module("multiprocessing.popen_fork").__file__ or "")


def how_it_left() -> None:
    seen: list[str] = []

    async def awaits(then: Callable[[], object]) -> None:
        await asyncio.sleep(0)
        then()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is awaits.__code__:
            seen.append(processes.how_it_left(frame))

    for then in (int, lambda: 1 / 0):
        coroutine = awaits(then)
        sys.setprofile(profile)
        try:
            coroutine.send(None)
            coroutine.send(None)
        except (StopIteration, ZeroDivisionError):
            pass
        finally:
            sys.setprofile(None)
    assert seen == ["awaits", "returned", "awaits", "raised"]


def clear_no_site() -> None:
    program = """
import sys
from motet.runtime.cpython.flags import clear_no_site
before = sys.flags.no_site
clear_no_site()
print(before, sys.flags.no_site, sys.flags.safe_path)
"""
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", program],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 0 True\n"


def fork_for_parent() -> None:
    program = """
import os, threading
from motet.runtime.cpython.forking import fork_for_parent
first = os.fork()
if first == 0:
    second = fork_for_parent()
    if second == 0:
        # Threads work there, and so do locks and forks.
        thread = threading.Thread(target=print)
        thread.start()
        thread.join()
        third = os.fork()
        os._exit(7 if third == 0 else os.waitstatus_to_exitcode(os.waitpid(third, 0)[1]))
    os._exit(0)
ended = dict(os.wait() for _ in range(2))
print(sorted(os.waitstatus_to_exitcode(status) for status in ended.values()), first in ended)
"""
    assert output_of(program) == "[0, 7] True"


def output_of(program: str) -> str:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", [name for name, entry in BORROWED.items() if VERSION in entry.versions])
def test_what_the_list_says_is_so_on_this_version(name: str) -> None:
    globals()[name.partition(".")[2]]()


# --- the list ---------------------------------------------------------------------------------------------------------


def test_this_version_was_checked() -> None:
    assert VERSION in CHECKED


@pytest.mark.parametrize("name", BORROWED)
def test_an_entry_names_what_gives_it_and_says_what_happens_without_it(name: str) -> None:
    module, _, function = name.partition(".")
    assert callable(getattr(importlib.import_module(f"motet.runtime.cpython.{module}"), function))
    entry = BORROWED[name]
    assert entry.what
    assert entry.why.endswith(".")
    assert entry.missing.endswith(".")
    assert set(entry.versions) <= set(CHECKED)


@pytest.mark.parametrize(
    "path", [it for it in sorted(ROOT.rglob("*.py")) if it.parent.name != "cpython"], ids=lambda it: str(it.name)
)
def test_nothing_is_borrowed_elsewhere(path: Path) -> None:
    tree = ast.parse(path.read_text())
    own = {it.attr for it in ast.walk(tree) if isinstance(it, ast.Attribute) and _is_own(it.value)}
    own |= {it.name for it in ast.walk(tree) if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)}
    used = {it.attr for it in ast.walk(tree) if isinstance(it, ast.Attribute) and not _is_own(it.value)}
    used |= {str(it.args[1].value) for it in ast.walk(tree) if _asks_by_name(it)}  # type: ignore[attr-defined]
    private = {name for name in used if name.startswith("_") and not name.startswith("__")}
    assert private - own - DOCUMENTED == set()
    assert "pythonapi" not in used


def _is_own(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def _asks_by_name(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr", "setattr")
        and isinstance(node.args[1], ast.Constant)
    )
