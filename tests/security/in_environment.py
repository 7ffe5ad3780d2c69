"""What a container says of the environment that it runs in."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from motet.wire.template import Fork


def prefix_of(_: int) -> str:
    """The environment of a process that was started, and not forked."""
    return sys.prefix


class Prepared:
    """A container of a template that has imported a package of the environment."""

    has_failed = False
    obstacle = None

    def __init__(self) -> None:
        self._imported = [importlib.import_module("kite").VERSION, os.getuid()]

    def begin(self, fork: Fork) -> int:
        """Tell of that, too."""
        print(json.dumps([*self._imported, os.getuid(), sys.prefix]), flush=True)
        return 0


def prepare(configuration: bytes) -> Prepared:
    """As a template does."""
    return Prepared()


def tell(fork: Fork) -> int:
    """As JSON: who it is, and where it imports from."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        (spawned,) = pool.map(prefix_of, [0])
    told = {
        "uid": os.getuid(),
        "prefix": sys.prefix,
        "purelib": importlib.import_module("sysconfig").get_paths()["purelib"],
        "spawned": spawned,
        "kite": importlib.import_module("kite").VERSION,
        "msgspec": importlib.import_module("msgspec").__version__,
        "directory": os.getcwd() == fork.directory,
        "arguments": sys.argv,
    }
    print(json.dumps(told), flush=True)
    return 0
