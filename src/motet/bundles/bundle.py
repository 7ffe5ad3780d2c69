"""From an app's specification on the deployer's machine to a bundle, and a specification whose paths are below it."""

from __future__ import annotations

import importlib.util
import os
import posixpath
import sys
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from motet.bundles.collection import Collection
from motet.bundles.environment import in_environment
from motet.bundles.imported import Imported, imported
from motet.bundles.layout import Layout
from motet.bundles.pieces import FoundFile
from motet.errors import InvalidError
from motet.model.bundle import WORK, Manifest
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.model.image import AddedFiles, Dockerfile, DockerfileLines, ImageSpec, PreparingFunction, Step
from motet.model.local_files import LocalFiles

_IS_POSIX = os.name == "posix"
"""Where paths of the environment mean anything to servers; elsewhere containers have the server's alone."""
_MODALS_DIRECTORY = "/root"
"""Where programs for Modal have their source and their working directory."""


class Bundle(msgspec.Struct, frozen=True):
    """What travels. `notes`: what a user should know of it: what was left out, and what is not where it was asked to be."""

    manifest: Manifest
    pieces: dict[str, FoundFile]
    notes: tuple[str, ...]


def bundled(spec: AppSpec, modules: Mapping[str, object] = sys.modules) -> tuple[AppSpec, Bundle]:
    """The app as it is deployed: all paths that lead to source of the program are relative ones, below the bundle's directory.
    Those of the environment stay. `modules`: what the program has imported. Raises `InvalidError` for what is to travel and
    cannot."""
    packing = _Packing(spec, imported(modules))
    packed = packing.packed()
    collection = packing.collection
    pieces = {it.file.piece: it for it in collection.found}
    left_out = [f"left out: {it}" for it in collection.left_out]
    return packed, Bundle(collection.manifest(), pieces, (*packing.notes, *left_out))


class _Packing:
    def __init__(self, spec: AppSpec, found: set[Imported]) -> None:
        self._spec = spec
        self.collection = Collection()
        self.notes: list[str] = []
        self._ignored: dict[str, tuple[str, ...]] = {}
        self._more_paths: list[str] = []
        self._archives: dict[str, str] = {}
        self._placed: dict[LocalFiles, LocalFiles] = {}
        self._contexts: dict[str, str] = {}
        self._packages: dict[str, str] = {}
        """Packages with an `__init__.py`, by name: their places in the bundle."""
        added = list(dict.fromkeys(it for function in spec.functions for it in function.image.files))
        found |= set(map(self._named, _modules_of(added)))
        self._modules = sorted(found, key=lambda it: (it.name, it.place))
        """Packages come before what is in them."""
        roots = self._roots()
        self._layout = Layout(spec.project_dir or os.sep, roots)
        for module in self._modules:
            self._add_module(module)
        for definition in self._definitions():
            self._add_definition(definition)
        for files in added:
            if files.kind != "module":
                self._add_files(files)
        for function in spec.functions:
            for step in function.image.of_kind(Dockerfile) + function.image.of_kind(DockerfileLines):
                self._add_context(step)
        for root in roots:
            place = self._layout.place(root)
            if place is not None and place not in self._more_paths and self._is_used(place):
                self._more_paths.append(place)

    def _named(self, files: LocalFiles) -> Imported:
        """A module that an image adds."""
        self._ignored[files.source] = (*self._ignored.get(files.source, ()), *files.ignore)
        try:
            found = importlib.util.find_spec(files.source)
        except (ImportError, ValueError, AttributeError) as error:
            raise InvalidError(f"add_local_python_source({files.source!r}): {error}") from error
        if found is not None and found.origin is not None and os.path.isfile(found.origin):
            file = os.path.abspath(found.origin)
            is_package = found.submodule_search_locations is not None
            return Imported(
                files.source, "package" if is_package else "module", os.path.dirname(file) if is_package else file
            )
        if found is not None and found.submodule_search_locations:
            return Imported(files.source, "namespace", os.path.abspath(next(iter(found.submodule_search_locations))))
        raise InvalidError(
            f"add_local_python_source({files.source!r}): there is no module of this name where the program looks for modules"
        )

    def _roots(self) -> list[str]:
        """The directories that modules are found in by name, those of the search path first."""
        packages = {it.name for it in self._modules if it.kind == "package"}
        found = {
            root
            for it in self._modules
            if it.kind != "archive"
            and it.name.rpartition(".")[0] not in packages
            and (root := it.root) is not None
            and not in_environment(root)
        }
        return sorted(found, key=lambda root: (self._at(root), root))

    def _at(self, root: str) -> int:
        path = self._spec.sys_path
        return path.index(root) if root in path else len(path)

    def _add_module(self, module: Imported) -> None:
        if module.kind == "archive":
            if module.place not in self._archives:
                place = self._layout.place(module.place) or f"{self._layout.another()}/{os.path.basename(module.place)}"
                self._archives[module.place] = place
                self.collection.add_file(module.place, place)
        elif module.kind == "namespace":
            if not self.collection.has_walked(module.place):
                self.collection.add_python_files(module.place, self._place_of(module))
        elif self.collection.has_walked(module.place):
            if module.kind == "package" and (below := self._place_below(module)) is not None:
                self._packages[module.name] = below
        elif module.kind == "package":
            place = self._packages[module.name] = self._place_of(module)
            self.collection.add_directory(module.place, place, self._ignored.get(module.name, ()))
        elif self.collection.place_of(module.place) is None:
            self.collection.add_file(module.place, self._place_of(module))

    def _place_below(self, module: Imported) -> str | None:
        file = self.collection.place_of(os.path.join(module.place, "__init__.py"))
        return None if file is None else file.rpartition("/")[0]

    def _place_of(self, module: Imported) -> str:
        """Where a module is found by its name: where it lies; or beside what its package has elsewhere; or by itself."""
        parent = self._packages.get(module.name.rpartition(".")[0])
        if parent is not None:
            return f"{parent}/{os.path.basename(module.place)}"
        place = self._layout.place(module.place)
        if place is not None and not in_environment(module.place):
            return place
        self._more_paths.append(self._layout.another())
        suffix = "" if module.kind != "module" else os.path.basename(module.place)[len(_stem(module.place)) :]
        return f"{self._more_paths[-1]}/{module.name.replace('.', '/')}{suffix}"

    def _definitions(self) -> Iterable[ImportedDefinition]:
        found = [function.definition for function in self._spec.functions]
        return [it for it in (*found, self._spec.main) if isinstance(it, ImportedDefinition)]

    def _add_definition(self, definition: ImportedDefinition) -> None:
        """A program, or what else no name in `sys.modules` leads to."""
        file = definition.file
        if file is None or in_environment(file) or definition.module.partition(".")[0] == "motet":
            return
        if not os.path.isfile(file):
            if self.collection.place_of(file) is None and not any(file.startswith(it) for it in self._archives):
                raise InvalidError(
                    f"{file}, which defines {definition.qualname or definition.module}, is not there any more"
                )
        elif self.collection.place_of(file) is None:
            place = self._layout.place(file) or f"{self._layout.another()}/{os.path.basename(file)}"
            self.collection.add_file(file, place)

    def _add_files(self, files: LocalFiles) -> None:
        where = f"add_local_{'file' if files.kind == 'file' else 'dir'}({files.source!r}, {files.target!r})"
        place = self._target(files.target, where)
        self._placed[files] = replace(files, source=place)
        if posixpath.isabs(files.target) and self._has_process(files):
            there = posixpath.relpath(place, self._layout.current)
            self.notes.append(
                f"{where}: containers that are processes of the server's machine find it at {there!r} in their working "
                f"directory, not at {files.target}"
            )
        if files.kind == "file" and os.path.isfile(files.source):
            self.collection.add_file(files.source, place)
        elif files.kind == "directory" and os.path.isdir(files.source):
            self.collection.add_directory(files.source, place, files.ignore, hidden=True)
        else:
            raise InvalidError(f"{where}: there is no {files.kind} {files.source}")

    def _has_process(self, files: LocalFiles) -> bool:
        """Whether it may be for containers that see the server's machine as it is."""
        return any(
            files in function.image.files and function.isolation in (None, "process")
            for function in self._spec.functions
        )

    def _add_context(self, step: Dockerfile | DockerfileLines) -> None:
        """What the paths in a Dockerfile are relative to, and files it names: the server builds from them."""
        for context in filter(None, (step.context, *_context_files(step).values())):
            if context in self._contexts:
                continue
            place = self._contexts[context] = f"{self._layout.another()}/{os.path.basename(context) or 'context'}"
            if os.path.isdir(context):
                self.collection.add_directory(context, place, step.ignore, hidden=True)
            elif os.path.isfile(context):
                self.collection.add_file(context, place)
            else:
                raise InvalidError(f"Image.{step.method}: there is no file or directory {context}")

    def _target(self, target: str, where: str) -> str:
        """Absolute ones are taken below the working directory: containers are processes, and have no root of their own."""
        below = posixpath.normpath(target.replace(os.sep, "/"))
        if posixpath.isabs(below):
            below = posixpath.relpath(below, _MODALS_DIRECTORY if _is_below(below, _MODALS_DIRECTORY) else "/")
        place = posixpath.normpath(posixpath.join(self._layout.current, below))
        if not _is_below(place, self._layout.current):
            raise InvalidError(f"{where}: the second path leads out of the containers' working directory")
        return place

    # --- the specification --------------------------------------------------------------------------------------------

    def packed(self) -> AppSpec:
        """With all paths below the bundle."""
        spec = self._spec
        return replace(
            spec,
            functions=tuple(map(self._packed, spec.functions)),
            sys_path=self._search_path(spec.sys_path),
            project_dir=self._layout.current if self._is_used(self._layout.current) else WORK,
            main=None if spec.main is None else self._moved(spec.main),
            sources="",
        )

    def _packed(self, function: FunctionSpec) -> FunctionSpec:
        definition = function.definition
        return replace(
            function,
            definition=self._moved(definition) if isinstance(definition, ImportedDefinition) else definition,
            env=self._moved_environment(function.env),
            image=self._packed_image(function.image),
        )

    def _packed_image(self, image: ImageSpec) -> ImageSpec:
        files = tuple(self._placed[it] for it in image.files if it in self._placed)
        return replace(
            image, env=self._moved_environment(image.env), files=files, steps=tuple(map(self._packed_step, image.steps))
        )

    def _packed_step(self, step: Step) -> Step:
        if isinstance(step, PreparingFunction):
            return replace(step, file=self.collection.place_of(step.file) or "")
        if isinstance(step, AddedFiles):
            return replace(step, files=tuple(self._placed.get(it, it) for it in step.files))
        if isinstance(step, Dockerfile):
            return replace(step, context=self._contexts.get(step.context, ""))
        if isinstance(step, DockerfileLines):
            named = {there: self._contexts[here] for there, here in step.context_files.items()}
            return replace(step, context=self._contexts.get(step.context, ""), context_files=named)
        return step

    def _moved_environment(self, env: dict[str, str]) -> dict[str, str]:
        """Processes that containers start look for modules where those of the program do."""
        path = env.get("PYTHONPATH")
        if not path:
            return env
        found = [self._moved_path(os.path.join(self._spec.project_dir, it)) for it in path.split(os.pathsep) if it]
        return {**env, "PYTHONPATH": ":".join(it for it in found if it is not None)}

    def _moved(self, definition: ImportedDefinition) -> ImportedDefinition:
        file = definition.file
        if file is None or (in_environment(file) and _IS_POSIX):
            return definition
        return msgspec.structs.replace(definition, file=self.collection.place_of(file))

    def _search_path(self, path: Iterable[str]) -> tuple[str, ...]:
        found = [moved for entry in path if (moved := self._moved_path(entry)) is not None]
        return tuple(dict.fromkeys([*found, *self._more_paths]))

    def _moved_path(self, entry: str) -> str | None:
        """An entry of a search path for containers; None if there is nothing for them."""
        if in_environment(entry):
            return entry if _IS_POSIX else None
        if entry in self._archives:
            return self._archives[entry]
        place = self._layout.place(entry)
        return place if place is not None and (self._is_used(place) or place == self._layout.current) else None

    def _is_used(self, place: str) -> bool:
        return place in self.collection.directories


def _context_files(step: Dockerfile | DockerfileLines) -> dict[str, str]:
    return step.context_files if isinstance(step, DockerfileLines) else {}


def _modules_of(files: Iterable[LocalFiles]) -> list[LocalFiles]:
    return [it for it in files if it.kind == "module"]


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def _stem(path: str) -> str:
    return os.path.basename(path).partition(".")[0]
