"""Where what lies on the deployer's machine lies in a bundle: as it does there, below the directories that travel."""

from __future__ import annotations

import os
from collections.abc import Iterable

from motet.bundles.environment import in_directory
from motet.model.bundle import WORK

_OTHERS = "lib"


class Layout:
    """`current`: the directory in which the program runs, and containers begin. `roots`: other directories that modules are
    found in by name, all absolute. What lies beside each other in one of them does so in the bundle, too. They keep their
    names: programs look at those, and so do the keys of apps."""

    def __init__(self, current: str, roots: Iterable[str]) -> None:
        outermost: list[str] = []
        for root in sorted({current, *roots}, key=lambda root: (root.count(os.sep), len(root), root)):
            if not any(in_directory(root, other) for other in outermost):
                outermost.append(root)
        home = next(root for root in outermost if in_directory(current, root))
        self._places = {home: _named(WORK, home)}
        self._more = 0
        for root in dict.fromkeys([*roots, *outermost]):
            if root in outermost and root != home:
                self._places[root] = self._by_another_way(root, home) or _named(self.another(), root)
        self.current = self.place(current) or WORK

    def _by_another_way(self, root: str, home: str) -> str | None:
        """The place of a directory that a link leads to from outside of the first one (`/tmp` and `/private/tmp`)."""
        real, real_home = os.path.realpath(root), os.path.realpath(home)
        if not in_directory(real, real_home) or os.path.basename(real) != os.path.basename(root):
            return None
        return self.place(os.path.join(home, os.path.relpath(real, real_home)).removesuffix(f"{os.sep}{os.curdir}"))

    def place(self, path: str) -> str | None:
        """The path in the bundle of one on this machine; None if it is below none of the directories."""
        for root, place in self._places.items():
            if in_directory(path, root):
                below = os.path.relpath(path, root)
                return place if below == os.curdir else f"{place}/{below.replace(os.sep, '/')}"
        return None

    def another(self) -> str:
        """A directory of the bundle for what is found by name, and not by where it lies."""
        self._more += 1
        return f"{_OTHERS}/{self._more}"


def _named(place: str, root: str) -> str:
    name = os.path.basename(root)
    return f"{place}/{name}" if name else place
