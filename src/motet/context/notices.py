"""Warnings that point at the user's own line, whatever depth of Motet lies between."""

from __future__ import annotations

import os
import sys
import warnings

from motet.context.container import is_local


def warn_user(warning: Warning) -> None:
    """Warn at the innermost line outside Motet. Silent in containers: they import the program that has warned already."""
    if is_local():
        warnings.warn(warning, stacklevel=_depth_of_user_code())


def _depth_of_user_code() -> int:
    """As `warnings.warn` counts for its caller `warn_user`: 1 is `warn_user` itself."""
    frame = sys._getframe(1)
    depth = 1
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        depth += 1
    return depth


def without_place(*packages: str) -> None:
    """Have warnings shown without a place from now on whose place is in one of these packages: commands are called by theirs,
    and no line of it is the user's."""
    as_before = warnings.formatwarning
    inside = tuple(package.rstrip(os.sep) + os.sep for package in packages)

    def formatted(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None) -> str:
        if filename.startswith(inside):
            return f"Warning: {message}\n"
        return as_before(message, category, filename, lineno, line)

    warnings.formatwarning = formatted  # type: ignore[assignment]


def _is_ours(module: str) -> bool:
    return module == "motet" or module.startswith("motet.")
