"""Functions whose module takes long to import."""

from __future__ import annotations

import contextlib

import fastapi  # noqa: F401 - it takes long

import motet

with contextlib.suppress(ImportError):
    import numpy  # noqa: F401

app = motet.App("imported")


@app.function(single_use_containers=True)
def without_snapshot() -> None: ...


@app.function(single_use_containers=True, enable_memory_snapshot=True)
def with_snapshot() -> None: ...
