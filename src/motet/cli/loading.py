"""The user's program as a module: imported so that its containers can import it by the same name."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import click

from motet.cli.terminal import tell
from motet.cli.tracebacks import user_traceback
from motet.context.sources import in_use

PROGRAM_FAILED = 1


class ProgramFailed(SystemExit):
    """The program's own code raised while it was imported; its traceback has been printed."""


def load_file(path: str) -> ModuleType:
    """The module that the file at `path` makes, under the name of its stem. Its directory is first on `sys.path`, and then the
    current one.

    Raises `click.UsageError` for a file that cannot be a module; `ProgramFailed` (status 1), after the user's traceback, when
    the file's own code raises.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise click.UsageError(f"There is no file {path!r}.{_did_you_mean_module(path)}")
    if file.suffix != ".py":
        raise click.UsageError(f"{path!r} is not a Python file: its name must end in .py.")
    if file.stem in sys.modules or file.stem in sys.stdlib_module_names:
        raise click.UsageError(
            f"{path!r} cannot be imported as {file.stem!r}: that is the name of another module in use. Rename the file."
        )
    _search_in(Path.cwd())
    _search_in(file.parent)
    return _executed(file)


def load_module(name: str) -> ModuleType:
    """The module `name` (`package.module`), looked up from the current directory first. Fails as `load_file` does."""
    _search_in(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            which = "" if name == error.name else f": {error}"
            raise click.UsageError(
                f"There is no module {name!r}{which}. Modules are looked for from {Path.cwd()}."
            ) from error
        raise _program_failed(error) from error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise _program_failed(error) from error


def module_directory(name: str) -> Path:
    """The directory in which the outermost package of a module lies. Nothing is imported. Raises `click.UsageError`."""
    _search_in(Path.cwd())
    top = name.partition(".")[0]
    spec = importlib.util.find_spec(top)
    places = [] if spec is None else [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin else ())]
    if not places:
        which = "" if name == top else f": No module named {top!r}"
        raise click.UsageError(f"There is no module {name!r}{which}. Modules are looked for from {Path.cwd()}.")
    return Path(places[0]).resolve().parent


def _search_in(directory: Path) -> None:
    """Put a directory first on `sys.path`."""
    sys.path[:] = [str(directory), *(entry for entry in sys.path if entry != str(directory))]


def _executed(file: Path) -> ModuleType:
    copies = in_use()
    spec = (
        importlib.util.spec_from_file_location(file.stem, file) if copies is None else copies.spec_of(file.stem, file)
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[file.stem]
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise _program_failed(error, file) from error
    return module


def _program_failed(error: BaseException, file: Path | None = None) -> ProgramFailed:
    hint = ""
    if file is not None and isinstance(error, ImportError) and "relative import" in str(error):
        context = click.get_current_context(silent=True)
        command = context.info_name if context is not None else "run"
        module, directory = _in_package(file)
        hint = f"A module of a package is given by its name, from {directory}: motet {command} -m {module}\n"
    tell(f"{user_traceback(error)}{hint}", err=True, nl=False)
    return ProgramFailed(PROGRAM_FAILED)


def _in_package(file: Path) -> tuple[str, str]:
    """The name of a module by the packages that it lies in, and the directory from which it is found by that."""
    directory, parts = file.parent, [file.stem]
    while (directory / "__init__.py").is_file():
        parts.insert(0, directory.name)
        directory = directory.parent
    return (".".join(parts), str(directory)) if len(parts) > 1 else ("package.module", "the directory that it is in")


def _did_you_mean_module(path: str) -> str:
    if path.endswith(".py") or "/" in path:
        return ""
    if Path(f"{path}.py").is_file():
        return f" Did you mean {path}.py?"
    return f" To run a module by its name, use: motet run -m {path}"
