"""A place within walls, ready for one container: made by bubblewrap, and gone with everything in it when it is told to."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal

from motet.model.isolation import Walls
from motet.runtime.cpython.forking import fork_for_parent
from motet.runtime.walls.bubblewrap import TEMPORARY, bubblewrap, bubblewrap_command
from motet.runtime.walls.namespaces import enter_namespaces
from motet.runtime.walls.privileges import become, drop_bounding_set, drop_capabilities, forbid_calls
from motet.runtime.walls.syscall_filter import syscall_filter
from motet.wire.template import Fork, MakeSpare

_HOLDER = "/usr/bin/cat"
"""Runs within until its input ends, so that there is always a process there; what it repeats tells that all is ready."""
_MOST_INFORMATION = 4096


class Enclosure:
    """Begins to be made at once; `ready` is readable when that is done, or has failed. Raises `OSError`.

    `process`: bubblewrap's, a child of this one, which is the caller's to wait for. As long as it lives, so may what is within;
    it dies with this process. `stderr`: where it says what is wrong.
    """

    def __init__(self, walls: Walls, directory: str, stderr: int) -> None:
        program = bubblewrap()
        if program is None:
            raise OSError("bubblewrap (bwrap) is not installed: apt-get install bubblewrap")
        self._walls = walls
        self._as_root = os.geteuid() == 0
        self._init = self._handle = -1
        """Descriptors of the first process within, and of bubblewrap's."""
        if self._as_root and walls.uid is not None:
            os.chown(directory, walls.uid, walls.uid)
        self._filter = syscall_filter()
        with contextlib.ExitStack() as theirs:
            holder_input, self._hold = os.pipe()
            self.ready, holder_output = os.pipe()
            self._info, info = os.pipe()
            filter_read, filter_write = os.pipe()
            for descriptor in (holder_input, holder_output, info, filter_read):
                theirs.callback(os.close, descriptor)
            for descriptor in (info, filter_read):
                os.set_inheritable(descriptor, True)
            os.write(filter_write, self._filter)
            os.close(filter_write)
            os.write(self._hold, b".")
            command = bubblewrap_command(program, walls, directory, as_root=self._as_root, info=info, calls=filter_read)
            try:
                self.process = os.posix_spawn(
                    program,
                    [*command, _HOLDER],
                    {},  # who is within may read it
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, holder_input, 0),
                        (os.POSIX_SPAWN_DUP2, holder_output, 1),
                        (os.POSIX_SPAWN_DUP2, stderr, 2),
                    ],
                )
                self._handle = os.pidfd_open(self.process)
            except OSError:
                self._close()
                raise

    def is_made(self) -> bool:
        """Whether it was made; to be asked once, when `ready` is readable."""
        if not os.read(self.ready, 1):
            return False
        self._init = os.pidfd_open(json.loads(os.read(self._info, _MOST_INFORMATION))["child-pid"])
        return True

    def end(self) -> None:
        """Have all that is within killed. Idempotent; the process is still to be waited for."""
        for process in (self._init, self._handle):  # the first one within takes all others there with it
            if process >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
        self._close()

    def enter(self, joins: tuple[str, ...]) -> int:
        """Fork into it, in these control groups. Returns 0 in the new process within, and its number
        in this one, whose child it is. Raises `OSError` in this one if that failed."""
        told, tell = os.pipe()
        midwife = os.fork()
        if midwife:
            os.close(tell)
            with os.fdopen(told, "rb") as file:
                text = file.read().decode()
            os.waitpid(midwife, 0)
            if not text.isdecimal():
                raise OSError(text or "it could not enter its walls")
            return int(text)
        try:
            join(joins)  # they cannot be seen from within
            enter_namespaces(self._init, user=not self._as_root, network=not self._walls.network)
            if pid := fork_for_parent():
                os.write(tell, str(pid).encode())
                os._exit(0)
        except BaseException as error:
            os.write(tell, f"it could not enter its walls: {error}".encode())
            os._exit(1)
        os.close(told)
        os.close(tell)
        return 0

    def settle(self, order: Fork | MakeSpare) -> None:
        """In the process within: keep nothing that leads out. Raises `OSError`."""
        os.chdir(TEMPORARY)
        if (most := order.limits.pids) is not None and not order.joins:
            # Of this user, in these walls' own namespace of users if there is one.
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        drop_bounding_set()
        if self._as_root and self._walls.uid is not None:
            become(self._walls.uid)
        drop_capabilities()
        forbid_calls(self._filter)

    def _close(self) -> None:
        for descriptor in (self._hold, self.ready, self._info, self._init, self._handle):
            if descriptor >= 0:
                os.close(descriptor)
        self._hold = self.ready = self._info = self._init = self._handle = -1


def join(files: tuple[str, ...]) -> None:
    """Be in these control groups from now on, with all that this process starts. Raises `OSError`."""
    for path in files:
        with open(path, "w") as file:
            file.write("0")
