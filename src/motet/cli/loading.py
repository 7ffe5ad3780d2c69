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

PROGRAM_FAILED = 1


def load_file(path: str) -> ModuleType:
    """The module that the file at `path` makes, under the name of its stem, with its directory first on `sys.path`.

    Raises `click.UsageError` for a file that cannot be a module; ends with status 1 and the user's traceback when the
    file's own code raises.
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
    sys.path.insert(0, str(file.parent))
    return _executed(file)


def load_module(name: str) -> ModuleType:
    """The module `name` (`package.module`), looked up from the current directory first. Fails as `load_file` does."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise click.UsageError(f"There is no module {name!r}: {error}.") from error
        raise _program_failed(error) from error
    except Exception as error:
        raise _program_failed(error) from error


def _executed(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[file.stem]
        raise _program_failed(error) from error
    return module


def _program_failed(error: BaseException) -> SystemExit:
    hint = ""
    if isinstance(error, ImportError) and "relative import" in str(error):
        hint = "To run a module of a package, use: motet run -m package.module\n"
    tell(f"{user_traceback(error)}{hint}", err=True, nl=False)
    return SystemExit(PROGRAM_FAILED)


def _did_you_mean_module(path: str) -> str:
    if path.endswith(".py") or "/" in path:
        return ""
    if Path(f"{path}.py").is_file():
        return f" Did you mean {path}.py?"
    return f" To run a module by its name, use: motet run -m {path}"
