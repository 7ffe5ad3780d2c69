"""`python -m motet.runtime.lifecycle.template`: a warm, single-threaded process that forks containers and reports on them.

It has imported what a container needs, so that one starts in milliseconds and shares its memory. It leads a session of
its own (Ctrl-C in a terminal does not reach it), adopts whatever its containers leave behind, and outlives neither its
backend nor a container: when the control socket ends, or the thread that started it, everything it forked is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from motet.client import family
from motet.client.scratch import remove_if_left
from motet.model.isolation import Walls
from motet.runtime.lifecycle.birth import Beginning, Birth, Entry, live
from motet.runtime.lifecycle.control_socket import ControlSocket
from motet.runtime.lifecycle.entries import import_entry, named_entry
from motet.runtime.lifecycle.environment import enter_environment, within_environment
from motet.runtime.lifecycle.other_interpreter import in_interpreter
from motet.runtime.lifecycle.preparation import CannotSnapshot, Preparation
from motet.runtime.lifecycle.spares import Spare, Spares, fork_spare, wait_as_spare, what_is_shown
from motet.runtime.lifecycle.template_arguments import arguments_of_template
from motet.runtime.processes import forked_child
from motet.runtime.walls.app_user import become_app_user
from motet.runtime.walls.enclosure import Enclosure
from motet.runtime.walls.enclosures import Awaiting, Enclosures
from motet.wire.template import (
    CannotFork,
    DropSpare,
    Exited,
    Fork,
    Forked,
    Froze,
    Kill,
    MakeSpare,
    Prepare,
    TemplateReady,
    Thawed,
)

CANNOT_FORK = 71
LEFT_TIMEOUT = 2.0
"""Seconds that a process which was killed may take to let go of its files."""

_DESCRIPTORS_PER_FORK = 3


class Template:
    """Forks on request until its control socket ends. One thread: a lock held by another would stay locked in forks."""

    def __init__(
        self,
        control: socket.socket,
        wakeup: int,
        beginning: Beginning,
        preparation: Preparation,
        become: Callable[[Walls], None],
    ) -> None:
        self._control = ControlSocket(control)
        self._wakeup = wakeup
        self._beginning = beginning
        self._preparation = preparation
        self._become = become
        self._containers: dict[int, str] = {}
        self._pids: dict[str, int] = {}
        self._frozen: set[int] = set()
        self._enclosures = Enclosures()
        self._spares = Spares()
        self._ended_by_signal = False

    def end(self) -> None:
        """Make `serve` end, as the end of the control socket does. May be called by a signal handler."""
        self._ended_by_signal = True

    @property
    def _is_over(self) -> bool:
        return self._ended_by_signal or self._control.is_over

    def lost_backend(self) -> bool:
        """Whether the backend's process seems to have ended; one that wants the template to end waits for that."""
        return self._ended_by_signal or self._control.is_hung_up()

    def serve(self) -> Birth | None:
        """Perform requests until the control socket ends; then all containers are gone, and None is returned.

        Returns in every forked child, too, with the birth of its container. That unwinds the stack: no frame or object
        of the template stays in a container.
        """
        while not self._is_over:
            made = self._wait()
            self._note_frozen()
            self._reap()
            for ready in made:
                if birth := self._fork_within(self._enclosures.take(ready)):
                    return birth
            for request in self._control.requests():
                if isinstance(request, Kill):
                    self._kill(request)
                elif isinstance(request, Prepare):
                    self._prepare(request)
                elif isinstance(request, DropSpare):
                    self._drop_spare(request)
                elif birth := self._make_spare(request) if isinstance(request, MakeSpare) else self._fork(request):
                    return birth
        self._end_containers()
        return None

    def _wait(self) -> list[int]:
        """Until there is something to do. Which walls stand, or could not be made, is returned."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        self._control.register(poll)
        enclosures = self._enclosures.ready
        for ready in enclosures:
            poll.register(ready, select.POLLIN)
        readable = [descriptor for descriptor, _ in poll.poll()]
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        self._control.send()
        return [descriptor for descriptor in readable if descriptor in enclosures]

    def _prepare(self, request: Prepare) -> None:
        streams = list(self._control.descriptors)
        self._control.descriptors.clear()
        try:
            if request.walls.own_user is not None:
                self._become(request.walls)
            self._beginning = self._preparation.prepare(request.preload, streams)
        except (CannotSnapshot, OSError) as error:
            self._control.report(CannotFork(str(error)))
        else:
            self._control.report(TemplateReady(self._preparation.has_failed))

    def _fork(self, request: Fork) -> Birth | None:
        descriptors = tuple(self._control.descriptors.popleft() for _ in range(_DESCRIPTORS_PER_FORK))
        if request.spare and self._has_spare_become(request, descriptors):
            return None
        if request.walls.isolation != "bubblewrap":
            return self._fork_now(request, descriptors)
        try:
            self._enclosures.begin(request, descriptors, descriptors[1])
        except OSError as error:
            self._could_not_fork(request, descriptors, error)
        return None

    def _has_spare_become(self, request: Fork, descriptors: tuple[int, ...]) -> bool:
        """Whether there is a spare for this container, or walls for one are being made."""
        spare = self._spares.take(request.spare)
        if spare is None:
            return self._enclosures.use_spare(request, descriptors)
        if not spare.is_current():
            spare.end()
            return False
        self._has_forked(request, spare.pid, spare.enclosure)
        spare.become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _make_spare(self, request: MakeSpare) -> Birth | None:
        """That one cannot be made is told by the container that would have been it."""
        with contextlib.suppress(OSError):
            if request.walls.isolation != "bubblewrap":
                return self._fork_spare(request, what_is_shown(request))
            with open(os.devnull, "wb") as nowhere:
                self._enclosures.begin(request, (), nowhere.fileno())
        return None

    def _fork_spare(self, order: MakeSpare, shown: object, enclosure: Enclosure | None = None) -> Birth | None:
        template = os.getpid() if enclosure is None else 0
        ours, theirs = socket.socketpair()
        with forked_child.that_are_containers():
            pid, name = fork_spare(os.fork if enclosure is None else partial(enclosure.enter, order.joins))
        if pid == 0:
            ours.close()
            self._control.forget()
            return wait_as_spare(theirs, order, template, self._beginning, enclosure, name)
        theirs.close()
        self._spares.add(Spare(pid, ours.detach(), order, shown, enclosure))
        return None

    def _drop_spare(self, request: DropSpare) -> None:
        if spare := self._spares.take(request.number):
            spare.end()
        elif awaiting := self._enclosures.take_spare(request.number):
            awaiting.close()

    def _fork_within(self, awaiting: Awaiting) -> Birth | None:
        """Its walls stand, or could not be made: then bubblewrap has said why."""
        order, descriptors, enclosure, shown = awaiting
        if enclosure.is_made():
            if isinstance(order, Fork):
                return self._fork_now(order, descriptors, enclosure)
            try:
                return self._fork_spare(order, shown, enclosure)
            except OSError:
                enclosure.end()
                return None
        awaiting.close()
        if isinstance(order, Fork):
            self._control.report(Exited(order.container_id, CANNOT_FORK))
        return None

    def _fork_now(
        self, request: Fork, descriptors: tuple[int, ...], enclosure: Enclosure | None = None
    ) -> Birth | None:
        template = os.getpid() if enclosure is None else 0
        turn: tuple[int, ...] = ()
        try:
            turn = os.pipe()
            with forked_child.that_are_containers():
                pid = os.fork() if enclosure is None else enclosure.enter(request.joins)
        except OSError as error:
            self._could_not_fork(request, (*descriptors, *turn), error)
            if enclosure is not None:
                enclosure.end()
            return None
        if pid == 0:
            _wait_for_turn(*turn)
            self._control.forget()
            stdout, stderr, confided = descriptors
            return Birth(
                fork=request,
                stdout=stdout,
                stderr=stderr,
                confided=confided,
                template=template,
                beginning=self._beginning,
                enclosure=enclosure,
            )
        self._has_forked(request, pid, enclosure)
        os.write(turn[1], b".")
        for descriptor in (*descriptors, *turn):
            os.close(descriptor)
        return None

    def _has_forked(self, request: Fork, pid: int, enclosure: Enclosure | None) -> None:
        self._containers[pid] = request.container_id
        self._pids[request.container_id] = pid
        if enclosure is not None:
            self._enclosures.occupy(pid, enclosure)
        self._control.report(Forked(request.container_id, pid))

    def _could_not_fork(self, request: Fork, descriptors: tuple[int, ...], error: OSError) -> None:
        with contextlib.suppress(OSError):
            os.write(descriptors[1], f"motet: the container could not be forked: {error}\n".encode())
        self._control.report(Exited(request.container_id, CANNOT_FORK))
        for descriptor in descriptors:
            os.close(descriptor)

    def _kill(self, request: Kill) -> None:
        pid = self._pids.get(request.container_id)
        if pid is not None:
            family.kill(pid)
        elif awaiting := self._enclosures.take_container(request.container_id):
            awaiting.close()
            self._control.report(Exited(request.container_id, -signal.SIGKILL))

    def _note_frozen(self) -> None:
        """Report the containers that were stopped by a signal, or go on: SIGCHLD tells of both."""
        while changed := family.stopped_or_continued_child():
            pid, frozen = changed
            container_id = self._containers.get(pid)
            if container_id is not None and frozen != (pid in self._frozen):
                if frozen:
                    self._frozen.add(pid)
                    self._control.report(Froze(container_id))
                else:
                    self._frozen.discard(pid)
                    self._control.report(Thawed(container_id))

    def _reap(self) -> None:
        """Collect the ended children, kill what they leave behind, then report them."""
        ended = []
        while (pid := family.ended_child()) is not None:
            if pid in self._containers:
                family.kill(pid)
                self._enclosures.vacate(pid)
            self._spares.forget(pid)
            _, status = os.waitpid(pid, 0)
            self._enclosures.forget(pid)
            if container_id := self._containers.pop(pid, None):
                del self._pids[container_id]
                self._frozen.discard(pid)
                ended.append(Exited(container_id, os.waitstatus_to_exitcode(status), self._is_over))
            # A container adopts its own orphans. So a child that is none was left by one that has ended; what that
            # child leaves is found when it ends in its turn.
            for orphan in family.children():
                if not any(orphan in ours for ours in (self._containers, self._enclosures, self._spares)):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(orphan, signal.SIGKILL)
        for report in ended:
            self._control.report(report)

    def _end_containers(self) -> None:
        for awaiting in self._enclosures.take_all():
            awaiting.close()
            if isinstance(awaiting.order, Fork):
                self._control.report(Exited(awaiting.order.container_id, -signal.SIGKILL, with_template=True))
        for spare in self._spares.take_all():
            spare.end()
        for pid in self._containers:
            family.kill(pid)
        self._control.wait_for_reader()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
                self._reap()


def _wait_for_turn(turn: int, told: int) -> None:
    """A container does nothing before its backend knows of it: what it starts could not be found if the template was killed."""
    os.close(told)
    if not os.read(turn, 1):
        os._exit(CANNOT_FORK)  # the template was killed


def _serve(arguments: argparse.Namespace, entry: Entry) -> Birth | None:
    wakeup, wakeup_sender = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def take_signals() -> None:
        signal.set_wakeup_fd(wakeup_sender, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: template.end())
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def enter() -> None:
        if arguments.runtime:
            enter_environment(arguments.runtime, arguments.python)

    preparation = Preparation(arguments.entry, take_signals, enter)

    def become(walls: Walls) -> None:
        become_app_user(walls, arguments.scratch)
        os.chdir(arguments.scratch)
        # The kernel forgets that when a process changes its user.
        family.die_with_parent(signal.SIGTERM, arguments.parent)

    control = socket.socket(fileno=arguments.control)
    template = Template(control, wakeup, Beginning(entry=entry), preparation, become)
    take_signals()
    family.adopt_orphans()
    # The socket's end can be late: a process forked from the backend's, as multiprocessing does, holds it open.
    family.die_with_parent(signal.SIGTERM, arguments.parent)
    birth = template.serve()
    if birth is None:
        shutil.rmtree(arguments.scratch, ignore_errors=True)
        if template.lost_backend():
            _remove_what_is_left(Path(arguments.scratch).parent, arguments.left_behind)
    return birth


def _remove_what_is_left(shared: Path, left_behind: str | None) -> None:
    """Of a backend that was killed. Several templates end with it: the last to be done finds what others had to leave."""
    if left_behind is not None:
        remove_if_left(Path(left_behind), LEFT_TIMEOUT)
    for directory in (shared, *(() if left_behind is None else (Path(left_behind),))):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _entry_of(birth: Birth, arguments: argparse.Namespace) -> Entry | None:
    """Where this container begins, unless it is where all of its template do."""
    fork = birth.fork
    if fork.python and not arguments.runtime:
        return in_interpreter(fork.python, fork.entry or arguments.entry)
    entry = named_entry(fork.entry) if fork.entry else birth.beginning.entry
    if fork.python:
        return within_environment(arguments.runtime, fork.python, entry)
    return entry if fork.entry else None


def main() -> None:
    """Serve until the backend is gone. Every container forked on the way runs, and ends, in here as well."""
    arguments = arguments_of_template()
    entry = import_entry(arguments.entry)
    if birth := _serve(arguments, entry):
        if (own := _entry_of(birth, arguments)) is not None:
            birth = replace(birth, beginning=Beginning(entry=own))
        live(birth)
    # Not by returning: the backend takes the end of the socket for the end of the process.
    os._exit(0)


if __name__ == "__main__":
    main()
