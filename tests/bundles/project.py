"""A project on disk, and what a program that imported of it would deploy."""

from __future__ import annotations

import importlib.machinery
import os
import zipfile
from pathlib import Path
from types import ModuleType

from motet.bundles.bundle import Bundle, bundled
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.model.image import ImageSpec, Step
from motet.model.local_files import LocalFiles


class Project:
    """`work` is the directory where the program runs, called project. Files are named from the directory above it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.work = directory / "project"
        self.work.mkdir()
        self.modules: dict[str, object] = {}
        self.sys_path = [self.work]
        self.files: list[LocalFiles] = []
        self.steps: tuple[Step, ...] = ()
        self.main: ImportedDefinition | None = None
        self.definition = ImportedDefinition(module="no", qualname="no")
        self.env: dict[str, str] = {}

    def write(self, *names: str, text: str = "") -> None:
        """Files, with this text or their own name."""
        for name in names:
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text or name)

    def imports(self, name: str, file: str | None = None, *, portions: list[str] | None = None) -> ModuleType:
        """A module, from a file that is written if it is not there; or a package without one, from directories."""
        module = ModuleType(name)
        if file is not None:
            path = self.directory / file
            if not path.exists():
                self.write(file)
            module.__file__ = str(path)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=str(path))
            if path.stem == "__init__":
                module.__path__ = [str(path.parent)]
        if portions is not None:
            module.__path__ = [str(self.directory / portion) for portion in portions]
        self.modules[name] = module
        return module

    def archive(self, file: str, *names: str) -> None:
        """A zip file from which modules are imported."""
        with zipfile.ZipFile(self.directory / file, "w") as archive:
            for name in names:
                archive.writestr(f"{name}.py", "")
        for name in names:
            module = self.imports(name)
            module.__file__ = str(self.directory / file / f"{name}.py")
            module.__spec__ = importlib.machinery.ModuleSpec(name, _FromArchive(str(self.directory / file)))

    @property
    def spec(self) -> AppSpec:
        """The app, before it is bundled."""
        function = FunctionSpec(
            name="f",
            app_name="shop",
            definition=self.definition,
            image=ImageSpec(files=tuple(self.files), env=self.env, steps=self.steps),
            env=self.env,
        )
        return AppSpec(
            name="shop",
            functions=(function,),
            sys_path=tuple(map(str, self.sys_path)),
            project_dir=str(self.work),
            main=self.main,
        )

    def bundled(self) -> tuple[AppSpec, Bundle]:
        """What is deployed."""
        return bundled(self.spec, self.modules)

    def travels(self) -> dict[str, str]:
        """Where what is: the text of each file in the bundle."""
        _, bundle = self.bundled()
        return {file.path: bundle.pieces[file.piece].again().decode() for file in bundle.manifest.files}


class _FromArchive:
    """A loader, as `zipimport` has it."""

    def __init__(self, archive: str) -> None:
        self.archive = archive


def below(directory: Path) -> list[str]:
    """All files in it, by name."""
    return sorted(
        os.path.relpath(os.path.join(at, name), directory) for at, _, names in os.walk(directory) for name in names
    )
