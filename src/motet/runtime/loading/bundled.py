"""A container of a deployed app: it imports from the app's bundle and from the environment, and from nowhere else."""

from __future__ import annotations

import os
import sys

from motet.bundles.environment import in_directory, in_environment

directory: str | None = None
"""Where this container's bundle is; None if its app was not deployed with one."""

_OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
"""Where Motet itself is imported from."""


def leave_other_source(bundle: str) -> None:
    """Have nothing imported from source that the server's own environment leads to: what is installed as editable there, or
    lies on its PYTHONPATH, can change at any time."""
    global directory
    directory = bundle
    sys.path[:] = [path for path in sys.path if _stays(path, bundle)]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not _leads_to_source(finder)]
    if path := os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join(it for it in path.split(os.pathsep) if _stays(it, bundle))


def module_note(error: BaseException) -> str | None:
    """What to do about a module that is not here."""
    name = getattr(error, "name", None)
    top = name.partition(".")[0] if name else ""
    if not top or top in sys.stdlib_module_names:
        return None
    return (
        f"This container has what its app had imported when it was deployed. If {name!r} is a module of your project, import "
        f"it where the app is defined, or add it to the function's image: image.add_local_python_source({top!r}). If it is a "
        "package, install it into the environment that containers run in."
    )


def file_note(error: BaseException, bundle: str) -> str | None:
    """What to do about a file that is not here, and could have come with the bundle."""
    name = getattr(error, "filename", None)
    if not isinstance(name, str | bytes):
        return None
    path = os.path.abspath(os.fsdecode(name))
    here = os.getcwd()
    if not in_directory(path, bundle) or os.path.lexists(path) or not in_directory(here, bundle):
        return None
    below = os.path.relpath(path, here)
    return (
        "This container has the modules that its app had imported when it was deployed, whole packages with their files, and "
        f"what images add: image.add_local_file({os.path.basename(path)!r}, {below!r})."
    )


def _stays(path: str, bundle: str) -> bool:
    return path == _OURS or in_environment(path) or in_directory(path, bundle)


def _leads_to_source(finder: object) -> bool:
    """Whether it is one of those that editable installs leave in an environment."""
    about = (finder, type(finder))
    return any("editable" in str(getattr(it, name, "")).lower() for it in about for name in ("__module__", "__name__"))
