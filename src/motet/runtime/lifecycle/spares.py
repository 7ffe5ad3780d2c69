"""Processes that a template has forked ahead: each stands within its walls and limits, and waits to become a container.

So a container starts without waiting for what takes longest: the fork, namespaces and their mounts, control groups. A spare
knows no environment, no token and no address, and has run no code of an app beyond what its template has imported.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Callable
from typing import NoReturn

from motet.client import family
from motet.runtime.lifecycle.birth import CRASHED, Beginning, Birth, settle
from motet.runtime.walls.bubblewrap import identities
from motet.runtime.walls.enclosure import Enclosure
from motet.wire.framing import LENGTH
from motet.wire.template import Fork, MakeSpare, decode_fork, encode_fork

_DESCRIPTORS = 3
"""That a container is given: stdout, stderr, and what is confided to it."""
SPARE_NAME = "motet-spare"
"""What a spare is called in lists of processes."""
_OWN_NAME = "/proc/self/comm"


class Spare:
    """As its template knows it. `line`: the template's end of the socket to it, as a number: in later forks, which close every
    descriptor, a socket object would close that number once more. `shown`: the `identities` of what it sees."""

    def __init__(self, pid: int, line: int, order: MakeSpare, shown: object, enclosure: Enclosure | None) -> None:
        self.pid = pid
        self.order = order
        self.enclosure = enclosure
        self._line = line
        self._shown = shown

    def is_current(self) -> bool:
        """Whether it sees of the host what it would see if its walls were made now."""
        return self._shown == what_is_shown(self.order)

    def become(self, fork: Fork, descriptors: tuple[int, ...]) -> None:
        """Have it be this container. One that has just died is reaped as any container."""
        body = encode_fork(fork)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        with socket.socket(fileno=self._line) as line:
            try:
                line.sendmsg([LENGTH.pack(len(body))], [rights])
                line.sendall(body)
            except OSError:
                family.kill(self.pid)

    def end(self) -> None:
        """It is not to become anything. It is still to be waited for."""
        os.close(self._line)
        family.kill(self.pid)
        if self.enclosure is not None:
            self.enclosure.end()


class Spares:
    """Those of one template, by their numbers and by their pids."""

    def __init__(self) -> None:
        self._by_number: dict[int, Spare] = {}
        self._pids: dict[int, Spare] = {}

    def __contains__(self, pid: int) -> bool:
        return pid in self._pids

    def add(self, spare: Spare) -> None:
        """It waits."""
        self._by_number[spare.order.number] = self._pids[spare.pid] = spare

    def take(self, number: int) -> Spare | None:
        """It waits no longer. None if there is none of that number."""
        spare = self._by_number.pop(number, None)
        if spare is not None:
            del self._pids[spare.pid]
        return spare

    def forget(self, pid: int) -> None:
        """This process has ended: nothing of it stays, if it was a spare."""
        if (spare := self._pids.get(pid)) is not None:
            self.take(spare.order.number)
            spare.end()

    def take_all(self) -> list[Spare]:
        """All of them: nothing is forked any more."""
        return [spare for number in list(self._by_number) if (spare := self.take(number))]


def fork_spare(fork: Callable[[], int]) -> tuple[int, str]:
    """Fork a process that is called a spare from its first moment, and what it is to be called once it is a container."""
    with open(_OWN_NAME) as file:
        name = file.read().rstrip("\n")
    pid = -1
    _take_name(SPARE_NAME)
    try:
        pid = fork()
    finally:
        if pid:
            _take_name(name)
    return pid, name


def _take_name(name: str) -> None:
    with open(_OWN_NAME, "w") as file:
        file.write(name)


def what_is_shown(order: MakeSpare) -> object:
    """Of the host to a process with these walls, for a comparison."""
    plain = order.walls.isolation == "process" and order.walls.own_user is None
    return None if plain else identities(order.walls)


def wait_as_spare(
    line: socket.socket, order: MakeSpare, template: int, beginning: Beginning, enclosure: Enclosure | None, name: str
) -> Birth:
    """In the process that was forked: settle, and return when it is told what it becomes, which is called `name`. If that never
    comes, it ends."""
    number = line.detach()
    try:
        settle(order, template, beginning, enclosure, keep=number)
        with socket.socket(fileno=number) as waiting:
            head, descriptors, _, _ = socket.recv_fds(waiting, LENGTH.size, _DESCRIPTORS)
            if len(head) != LENGTH.size:
                os._exit(0)  # its template has no use for it
            body = _received(waiting, LENGTH.unpack(head)[0])
        _take_name(name)
    except BaseException:
        _end_silently()
    stdout, stderr, confided = descriptors
    return Birth(
        fork=decode_fork(body),
        stdout=stdout,
        stderr=stderr,
        confided=confided,
        template=template,
        beginning=beginning,
        enclosure=enclosure,
        is_settled=True,
    )


def _received(line: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        if not (more := line.recv(size - len(data))):
            raise EOFError
        data += more
    return bytes(data)


def _end_silently() -> NoReturn:
    """Nobody knows of it yet. The container that it was for is forked in the ordinary way, and tells what is wrong."""
    os._exit(CRASHED)
