"""For tests of programs that use Motet: `with motet.testing.world() as world, app.run(): ...`. Import it by its name."""

from typing import Literal, overload

from motet.core.host import HostLimits
from motet.testing.attempts import WorldAttempt
from motet.testing.container import WorldContainer
from motet.testing.hosts import WorldHost
from motet.testing.staying_world import StayingWorld, Trouble
from motet.testing.virtual_loop import DeadlockError
from motet.testing.world import World

__all__ = [
    "DeadlockError",
    "StayingWorld",
    "Trouble",
    "World",
    "WorldAttempt",
    "WorldContainer",
    "WorldHost",
    "world",
]


@overload
def world(*, limits: HostLimits | None = None, stays: Literal[False] = False) -> World: ...


@overload
def world(*, limits: HostLimits | None = None, stays: Literal[True]) -> StayingWorld: ...


def world(*, limits: HostLimits | None = None, stays: bool = False) -> World:
    """`with motet.testing.world() as world, app.run(): ...`: run an app's functions in this process, on virtual time.

    Server and containers are the real ones' code, and talk in the real messages; only processes, sockets and the clock are
    not there. A test that waits for minutes of retries takes milliseconds, and goes the same way each time. Containers
    share this process's modules, environment and directory. `stays`: the server is one as `motet server` is, and not the
    program's own: spawned calls are kept on a disk, `kill_server` kills it and another one goes on, and hosts can be cut off.
    See docs/testing.md for what else differs.
    """
    return StayingWorld(limits=limits) if stays else World(limits=limits)
