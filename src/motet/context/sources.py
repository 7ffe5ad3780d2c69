"""Python files as they were at one moment, imported in place of those that stand at their paths now.

A program that is served keeps its place: `__file__`, and everything that it finds from there, are as without this. Only the
text of its modules comes from copies, so that containers which start later run the code that was loaded.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


class Sources:
    """Copies of files, in a directory of their own under their absolute paths; also how they are imported."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def take(self, directory: Path) -> None:
        """Copy the Python files of a program's directory, and of its parts."""
        with os.scandir(directory) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.name in _SKIPPED or entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False) and _has_code(path):
                    self.take(path)
                elif entry.name.endswith(".py") and entry.is_file():
                    self.take_file(path)

    def take_file(self, file: Path) -> None:
        """Copy one file, unless there is a copy, or it has gone."""
        copy = self._place(file)
        if not copy.exists() and file.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            import shutil  # late: only programs that are served are copied

            shutil.copy(file, copy)

    def copy_of(self, file: str) -> str | None:
        """Where the copy of a file is, if there is one."""
        copy = self._place(Path(file))
        return str(copy) if copy.is_file() else None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        spec = PathFinder.find_spec(name, path, target)
        if spec is None:
            return self._gone(name, path)
        if spec.origin is None or type(spec.loader) is not SourceFileLoader or self.copy_of(spec.origin) is None:
            return spec
        return self._spec(name, spec.origin, spec.submodule_search_locations is not None)

    def spec_of(self, name: str, file: Path) -> ModuleSpec:
        """How the module that is in a file is made."""
        return self._spec(name, str(file), False)

    def _gone(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """A module that has been deleted since."""
        copies = [str(self._place(Path(entry or os.getcwd()))) for entry in (sys.path if path is None else path)]
        spec = PathFinder.find_spec(name, copies)
        if spec is None or spec.origin is None:
            return None
        origin = f"/{Path(spec.origin).relative_to(self.directory)}"
        return self._spec(name, origin, spec.submodule_search_locations is not None)

    def _spec(self, name: str, file: str, is_package: bool) -> ModuleSpec:
        found = importlib.util.spec_from_file_location(
            name,
            file,
            loader=_CopyLoader(name, file, self),
            submodule_search_locations=[os.path.dirname(file)] if is_package else None,
        )
        assert found is not None
        return found

    def _place(self, file: Path) -> Path:
        return self.directory / str(file.absolute()).lstrip("/")


class _CopyLoader(SourceFileLoader):
    """Reads the copy of a module's file; never bytecode, which is of the file."""

    def __init__(self, name: str, file: str, sources: Sources) -> None:
        super().__init__(name, file)
        self._sources = sources

    def path_stats(self, path: str) -> dict[str, float]:
        """See `SourceFileLoader`."""
        raise OSError(f"no bytecode stands for the copy of {path}")

    def get_data(self, path: str) -> bytes:
        """See `SourceFileLoader`."""
        return super().get_data(self._sources.copy_of(path) or path)


_in_use: Sources | None = None


def in_use() -> Sources | None:
    """What modules are imported from in this process, beside the files themselves."""
    return _in_use


def use(sources: Sources | None) -> None:
    """Import modules from these copies from now on, and from no others."""
    global _in_use
    if _in_use is not None:
        sys.meta_path.remove(_in_use)
    _in_use = sources
    if sources is not None:
        # After what is built in and frozen, before what looks for files.
        place = next((i for i, finder in enumerate(sys.meta_path) if finder is PathFinder), len(sys.meta_path))
        sys.meta_path.insert(place, sources)


def _has_code(directory: Path) -> bool:
    """Whether it is a part of the program: a package, or a directory of modules, not an environment or data."""
    if (directory / "pyvenv.cfg").exists():
        return False
    try:
        with os.scandir(directory) as entries:
            return any(entry.name.endswith(".py") for entry in entries)
    except OSError:
        return False
