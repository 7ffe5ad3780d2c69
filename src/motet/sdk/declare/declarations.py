"""What an app declares, by name; names are taken over by what is declared later."""

from __future__ import annotations

from collections.abc import Iterator

from motet.context.main_module import may_be_declared_again
from motet.context.notices import warn_user
from motet.model.function import FunctionSpec
from motet.sdk.declare.declaration import Declared


class Declarations:
    """The functions and classes of one app."""

    def __init__(self) -> None:
        self.by_name: dict[str, Declared] = {}
        self._replaced: list[tuple[FunctionSpec, str]] = []
        self._aside: list[Declared] = []
        """Those whose name another function has taken: they run for whoever has their handle."""

    def __len__(self) -> int:
        return len(self.by_name)

    def __iter__(self) -> Iterator[Declared]:
        """All that is to run."""
        yield from self.by_name.values()
        yield from self._aside

    def add(self, declared: Declared) -> None:
        """One more. Warns if it takes the name of another."""
        name = declared.spec.name
        if (old := self.by_name.get(name)) is not None:
            warn_of_collision(old, declared)
            if old.code is not declared.code:
                self._replaced.append((old.spec, declared.where))
                # A cell that runs again means the new code; and a URL leads to one function alone.
                if not may_be_declared_again(declared.code) and not old.has_url:
                    taken = 1 + sum(name == it.spec.name for it in self._aside)
                    self._aside.append(old.set_aside(taken))
        self.by_name[name] = declared

    def successor_of(self, spec: FunctionSpec) -> str | None:
        """Where the function is that took the name of this declaration; None if it still has it."""
        return next((where for old, where in self._replaced if old is spec), None)


def warn_of_collision(old: Declared, new: Declared) -> None:
    """Two have one name, unless running code again is how its programs are written."""
    if may_be_declared_again(new.code):
        return
    warn_user(
        UserWarning(
            f"function name '{new.spec.name}' collision! Overriding existing function {old.where} with new function "
            f"{new.where}"
        )
    )
