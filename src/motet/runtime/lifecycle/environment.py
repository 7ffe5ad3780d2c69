"""A process that has started without the environment of its interpreter enters that, as the interpreter does when it starts."""

from __future__ import annotations

import sys
from functools import partial

from motet.runtime.cpython.flags import clear_no_site
from motet.runtime.lifecycle.birth import Entry
from motet.wire.template import Fork

_OF_ANOTHER = ("sysconfig", "_sysconfig", "typing_extensions")
"""Modules that say where they were imported, or may be there in another version."""


def enter_environment(runtime: str, python: str) -> None:
    """Be in the environment of this interpreter as if that had been started. Its packages may run code now. `runtime`: where
    Motet was found until now."""
    sys.executable = python
    sys.path.remove(runtime)  # the environment says itself where that comes
    import site

    clear_no_site()
    site.main()
    for name in _OF_ANOTHER:
        sys.modules.pop(name, None)


def within_environment(runtime: str, python: str, entry: Entry) -> Entry:
    """This entry, once the environment is entered."""
    return partial(_enter, runtime, python, entry)


def _enter(runtime: str, python: str, entry: Entry, fork: Fork) -> int:
    enter_environment(runtime, python)
    return entry(fork)
