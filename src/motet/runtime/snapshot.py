"""What a template has of a function before it forks containers: its code, and the object of its class."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import pickle
import sys
from typing import Any, Literal, NamedTuple, NoReturn

from motet.errors import ExecutionError
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.hidden import hides_secrets
from motet.runtime.loading.loader import Hook, import_code, load
from motet.runtime.processes import forked_child


class Snapshot:
    """Made where a template begins; `take` it once there, and `restore` it in each container.

    `failed`: what was raised, and while what was done, for containers to tell. `obstacle`: what they must do by themselves.
    """

    def __init__(self) -> None:
        self.context = contextvars.copy_context()
        """That of the hooks."""
        self.instance: Any = None
        self.failed: tuple[Literal["loading", "entering"], BaseException] | None = None
        self.obstacle: str | None = None
        self._began = _Whereabouts.now()
        self._ended = self._began

    def take(self, spec: FunctionSpec) -> None:
        """Import the code, and run the hooks of its class that are for this."""
        phase: Literal["loading", "entering"] = "loading"
        try:
            hooks = self._load(spec)
            self.context = contextvars.copy_context()
            forked_child.leave()
            phase = "entering"
            self._run(hooks)
        except BaseException as error:
            forked_child.leave(error)
            self.failed = phase, error
        self._ended = _Whereabouts.now()

    def restore(self) -> None:
        """Have what the code has changed of its environment, where it has gone, and with which arguments: these are the
        container's own after a fork."""
        began, ended = self._began, self._ended
        for name in began.env.keys() - ended.env.keys():
            os.environb.pop(name, None)
        os.environb.update(ended.env.items() - began.env.items())
        sys.argv[:] = ended.argv
        if ended.directory != began.directory:
            os.chdir(ended.directory)

    def raise_failure(self, phase: Literal["loading", "entering"]) -> None:
        """Raise what was raised while this was done."""
        if self.failed is not None and self.failed[0] == phase:
            raise self.failed[1]

    def connect(self) -> NoReturn:
        """There is no server yet."""
        self.obstacle = (
            "its code calls functions when it is imported, or in a method with @motet.enter(snap=True). Do that in one with "
            "@motet.enter(), which runs in each container."
        )
        raise ExecutionError(f"No memory snapshot can be made: {self.obstacle}")

    def _load(self, spec: FunctionSpec) -> list[Hook]:
        if spec.is_class:
            service = load(spec)
            self.instance = service.instance
            return service.snapshot
        if isinstance(spec.definition, ImportedDefinition):
            import_code(spec.definition)
        else:
            pickle.loads(spec.definition.pickled)
        return []

    def _run(self, hooks: list[Hook]) -> None:
        # A loop of their own, which is closed: none survives a fork. Not uvloop's, which leaves a pipe open for ever.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            for hook in hooks:
                result = self.context.run(hook)
                if inspect.isawaitable(result):
                    runner.run(_awaited(result), context=self.context)
                forked_child.leave()


@hides_secrets
class _Whereabouts(NamedTuple):
    """What a process does not keep when it becomes a container."""

    env: dict[bytes, bytes]
    argv: list[str]
    directory: str

    @classmethod
    def now(cls) -> _Whereabouts:
        return cls(dict(os.environb), list(sys.argv), os.getcwd())


async def _awaited(result: Any) -> Any:
    return await result
