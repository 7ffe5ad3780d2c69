"""`python -m motet.runtime.preparing`: runs one function of `Image.run_function`, in the image's environment.

It reads from stdin where the function is, as a line of JSON, and what to call it with, pickled.
"""

from __future__ import annotations

import os
import pickle
import sys

import msgspec

from motet.context.container import enter_container
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.runtime.lifecycle.prepare import run
from motet.runtime.loading.loader import load, quiet_declarations


class Prepares(msgspec.Struct, frozen=True, kw_only=True):
    """Which function, and where it is."""

    module: str
    qualname: str
    file: str
    sys_path: tuple[str, ...]
    project_dir: str


def main() -> None:
    """Run it. What it raises ends this process, with its traceback."""
    wanted = msgspec.json.decode(sys.stdin.buffer.readline(), type=Prepares)
    arguments = sys.stdin.buffer.read()
    enter_container("build")
    if wanted.project_dir:
        os.chdir(wanted.project_dir)
    sys.path[:] = [*wanted.sys_path, *(path for path in sys.path if path not in wanted.sys_path)]
    quiet_declarations()
    is_main = wanted.module == "__main__"
    definition = ImportedDefinition(module=wanted.module, qualname=wanted.qualname, file=wanted.file, is_main=is_main)
    function = load(FunctionSpec(name=wanted.qualname, app_name="", definition=definition)).methods[""]
    args, kwargs = pickle.loads(arguments) if arguments else ((), {})
    run(function, args, kwargs)


if __name__ == "__main__":
    main()
