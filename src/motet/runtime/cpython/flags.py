"""What the interpreter says of how it was started."""

from __future__ import annotations

import ctypes
import sys


def clear_no_site() -> None:
    """Have `sys.flags.no_site` say that `site` was run, late as it was: interpreters that are started with the same flags, as
    those of `multiprocessing` are, are to have their environment."""
    set_item = ctypes.pythonapi.PyStructSequence_SetItem
    set_item.argtypes, set_item.restype = [ctypes.py_object, ctypes.c_ssize_t, ctypes.py_object], None
    value = ctypes.py_object(0)
    ctypes.pythonapi.Py_IncRef(value)  # it becomes the sequence's
    set_item(sys.flags, type(sys.flags).__match_args__.index("no_site"), value)
