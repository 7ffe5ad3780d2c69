"""What the runtime borrows from CPython's insides, all of it: what, why, on which versions, and what happens without it.

Python's documentation promises none of this. `tests/runtime/cpython/test_borrowed.py` shows on each version that the list is
true, and that nothing is borrowed outside this package.
"""

from __future__ import annotations

from dataclasses import dataclass

CHECKED = ("3.11", "3.12", "3.13")


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowed:
    """Something inside CPython. `versions` are those that need it; on the others there is a documented way, or no need."""

    what: str
    why: str
    missing: str
    """What happens where it is not there."""
    versions: tuple[str, ...] = CHECKED


BORROWED = {
    "interruption.main_thread_word": Borrowed(
        what="the word `_PyRuntime.main_thread`, found by its value",
        why="It names the thread that runs signal handlers: one that blocks can be interrupted while it is named.",
        missing="Blocking calls on threads end before a cancellation comes. A thread of ours tries it out first.",
    ),
    "interruption.main_state_word": Borrowed(
        what="the word after that one, and `PyThreadState_Get`",
        why="A signal is noted in the thread state that it names: a thread that computes looks there alone.",
        missing="A thread that computes is interrupted by an asynchronous exception, milliseconds later.",
        versions=("3.13",),
    ),
    "interruption.set_asynchronous": Borrowed(
        what="that all threads go on looking for an asynchronous exception that was taken back",
        why="It is made up for: looking slows all code down, and is endless under `sys.settrace`.",
        missing="Nothing: what is done about it is documented.",
        versions=("3.11", "3.12"),
    ),
    "waits.leave_wait": Borrowed(
        what="lines and local variables of `Condition.wait`, its `_lock` and `_waiters`, and `Thread._wait_for_tstate_lock`",
        why="A wait is left without the loss of a notification, and without its taking a thread for one that has ended.",
        missing="A thread that waits there is interrupted when its wait is over.",
    ),
    "waits.starts_threads": Borrowed(
        what="names of functions in `threading` and `concurrent.futures`",
        why="Some of them are below all that a thread runs; some wait for a thread that is being started.",
        missing="All threads count as being in `threading`, where nothing is raised: no sync input can be cancelled.",
    ),
    "waits.is_import": Borrowed(
        what="file names of the frozen import machinery",
        why="An import is not interrupted, for half a module would stay.",
        missing="A cancellation may leave half a module, and the container is kept.",
    ),
    "flags.clear_no_site": Borrowed(
        what="that `sys.flags` can be written to, by `PyStructSequence_SetItem`",
        why="An interpreter that has run `site` late starts others that run it.",
        missing="What `multiprocessing` spawns has the container's search path, and not the `sys.prefix` of its environment.",
    ),
    "threads.is_pools_thread": Borrowed(
        what="`Thread._target` and `concurrent.futures.thread._worker`",
        why="The worker of a pool belongs to no input, though the code of one has started it.",
        missing="Workers count as threads of the input that started them.",
    ),
    "threads.carry_excepthook": Borrowed(
        what="`Thread._invoke_excepthook`",
        why="It reports what `run` raises after that has returned, and is to do so for the thread's input.",
        missing="Tracebacks of threads are attributed to no input.",
    ),
    "threads.runs_for": Borrowed(
        what="the local variable `self` of `_WorkItem.run` and `Thread._bootstrap_inner`, its `fn` and `run`",
        why="The frames of a thread tell the watchdog which input it works for.",
        missing="Stalls on threads that inputs have started name no input.",
    ),
    "threads.end_pools": Borrowed(
        what="`threading._threading_atexits`",
        why="Thread pools tell their workers there to end; a container waits for its threads by itself.",
        missing="A container with a pool waits for idle workers as long as it may.",
    ),
    "threads.run_exit_functions": Borrowed(
        what="`atexit._run_exitfuncs`",
        why="A container ends by `os._exit`, for a thread of the user's may never end.",
        missing="What was registered with `atexit` does not run.",
    ),
    "threads.mend_main_thread": Borrowed(
        what="`_tstate_lock` and `_set_tstate_lock` of the main thread",
        why="A process forked from another thread lacks the lock as it ends, and `multiprocessing` fails.",
        missing="Nothing is to be mended.",
        versions=("3.11", "3.12"),
    ),
    "tasks.all_tasks": Borrowed(
        what="`asyncio.tasks._all_tasks`, from 3.12 on `_scheduled_tasks`",
        why="Its length shows after each input that there are no tasks but Motet's.",
        missing="Tasks are listed each time, which takes longer.",
    ),
    "tasks.context_of": Borrowed(
        what="the order in which a task tells the garbage collector what it refers to",
        why="Tasks do not tell their context.",
        missing="Tasks belong to no input: `asyncio.all_tasks` leaves out too many, and stalls name no input.",
        versions=("3.11",),
    ),
    "tasks.event_loop_policy": Borrowed(
        what="`asyncio.events._get_event_loop_policy`, from 3.14 on",
        why="The documented function warns there.",
        missing="The documented function is called.",
        versions=(),
    ),
    "tasks.stopped_before_done": Borrowed(
        what="the text with which `run_until_complete` raises if its loop was stopped",
        why="The container's loop is stopped on purpose, and each of its other errors is told.",
        missing="Each pause of the loop is told on stderr.",
    ),
    "processes.wrap_fork_exec": Borrowed(
        what="`subprocess._fork_exec` and `_posixsubprocess.fork_exec`, and two of its arguments by their places",
        why="What a process prints is attributed to the input that starts it, and orphans are told from what was started.",
        missing="Output of processes is attributed to no input; the code may miss the status of one that has ended.",
    ),
    "processes.runs_one_after_the_other": Borrowed(
        what="files of asyncio and `concurrent.futures` (and anyio) that call user code",
        why="A process forked there must not get on with what comes next, which is the container's.",
        missing="Such a process goes on with a loop or a pool of which it has a copy.",
    ),
    "processes.is_worker_fork": Borrowed(
        what="files of `concurrent.futures` and `multiprocessing` that fork",
        why="Workers of a pool print for all inputs; other children of `multiprocessing` end by themselves.",
        missing="What workers print is attributed to the input that started them; children are watched for their end in vain.",
    ),
    "processes.how_it_left": Borrowed(
        what="the instruction at which a frame is left",
        why="A profile function sees that a coroutine is left, not whether it awaits, has returned or has raised.",
        missing="A process that was forked in async code ends with another status.",
    ),
    "forking.fork_for_parent": Borrowed(
        what="that `PyOS_BeforeFork` and its kin are all that the interpreter needs around a `clone` that is not its own",
        why="A container within walls is made by a process within them, and is to be a child of its template.",
        missing="Containers within walls made by bubblewrap cannot start.",
    ),
}
"""By the function of this package that gives it."""
