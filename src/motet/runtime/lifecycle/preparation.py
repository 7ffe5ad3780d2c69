"""How a template imports the code of the containers that it is to fork, and makes sure that it may fork afterwards."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from motet.client import family
from motet.runtime.lifecycle.birth import Beginning
from motet.runtime.lifecycle.survival import obstacle, open_descriptors
from motet.runtime.processes import forked_child
from motet.wire.template import Fork, decode_preload


class CannotSnapshot(Exception):
    """What was imported does not survive a fork; in words."""


class PreparedContainer(Protocol):
    """A container without a name, a connection and an input: its code has been imported."""

    @property
    def has_failed(self) -> bool:
        """The import has raised what the container is to tell."""

    @property
    def obstacle(self) -> str | None:
        """What it has done that a container must do by itself."""

    def begin(self, fork: Fork) -> int:
        """Go on as this container, in a forked process."""


class Preparation:
    """`entry` is "module:function"; the module's `prepare` makes a `PreparedContainer` of an encoded configuration.
    `take_signals` gives the template its handlers back. `enter` has it be in its environment before anything is imported."""

    def __init__(self, entry: str, take_signals: Callable[[], None], enter: Callable[[], None]) -> None:
        self._module = entry.partition(":")[0]
        self._take_signals = take_signals
        self._enter = enter
        self.has_failed = False

    def prepare(self, data: bytes, streams: Sequence[int]) -> Beginning:
        """Import what an encoded `Preload` says, while stdout and stderr are these. Raises `CannotSnapshot`."""
        preload = decode_preload(data)
        os.environb.clear()
        os.environb.update(preload.env)
        os.environ.setdefault("HOME", os.getcwd())
        with _writing_to(streams):
            before = open_descriptors()
            handlers = self._with_containers_signals()
            gc.enable()
            self._enter()
            prepared: PreparedContainer = importlib.import_module(self._module).prepare(preload.configuration)
            gc.disable()
            left = tuple((number, now) for number, was in handlers if (now := signal.getsignal(number)) is not was)
            self._take_signals()
            why = prepared.obstacle
            if why is None:
                with forked_child.that_are_containers():
                    why = obstacle(before)
            if why is not None:
                os.write(
                    2, f"motet: no memory snapshot can be made, and containers start without one: {why}\n".encode()
                )
                _end_children()
                raise CannotSnapshot(why)
            self.has_failed = prepared.has_failed
            files = open_descriptors() - before
        gc.collect()
        gc.freeze()
        return Beginning(entry=prepared.begin, is_prepared=True, files=files, handlers=left)

    def _with_containers_signals(self) -> list[tuple[signal.Signals, Any]]:
        """What user code finds when it is imported in a container, and leaves or replaces."""
        signal.set_wakeup_fd(-1)
        for number, handler in (
            (signal.SIGCHLD, signal.SIG_DFL),
            (signal.SIGTERM, signal.SIG_DFL),
            (signal.SIGINT, signal.default_int_handler),
        ):
            signal.signal(number, handler)
        return [(number, signal.getsignal(number)) for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)]


@contextlib.contextmanager
def _writing_to(streams: Sequence[int]) -> Iterator[None]:
    """In the block descriptors 1 and 2 are these, which are closed."""
    own = [os.dup(descriptor) for descriptor in (1, 2)]
    for descriptor, stream in enumerate(streams, 1):
        os.dup2(stream, descriptor)
        os.close(stream)
    try:
        yield
    finally:
        for descriptor, before in enumerate(own, 1):
            os.dup2(before, descriptor)
            os.close(before)


def _end_children() -> None:
    for pid in family.children():
        family.kill(pid)
