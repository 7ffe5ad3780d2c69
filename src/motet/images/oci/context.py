"""The directory of one build: the files that its instructions take, and what it is told in secret, which goes with it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.machinery
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from motet.bundles.ignoring import ignores, never_travels
from motet.errors import InvalidError
from motet.images.oci.run_instruction import BUILD, CERTIFICATES, INDEXES
from motet.images.oci.stages import (
    Bytes,
    ContextFile,
    Copied,
    RegistryLogin,
    RuntimeFiles,
    Stage,
    UvProgram,
    WrittenText,
)
from motet.model.local_files import LocalFiles

_INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST",
    "UV_PYTHON_INSTALL_MIRROR",
)
"""Of uv, about where packages come from: what holds on this machine holds for the images that it builds."""


def fill(directory: Path, stage: Stage, *, uv: Callable[[], Path], runtime: Callable[[], Path]) -> None:
    """Put what a stage takes into an empty directory. `uv` and `runtime` say where these are, if they are needed. Raises
    `OSError`."""
    for path, file in sorted(stage.files.items()):
        _put(directory / path if path else directory, file, uv, runtime)


def _put(target: Path, file: ContextFile, uv: Callable[[], Path], runtime: Callable[[], Path]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    match file:
        case WrittenText():
            target.write_text(file.text, encoding="utf-8", errors="surrogatepass")
        case Bytes():
            target.write_bytes(file.content)
        case UvProgram():
            _link(uv(), target)
        case RuntimeFiles():
            _link_all(Copied(str(runtime())), target)
        case Copied():
            if os.path.isdir(file.source):
                _link_all(file, target)
            else:
                _link(Path(file.source), target)


def _link_all(copied: Copied, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path, is_directory in _below(copied):
        source, there = Path(copied.source, path), target / path
        if is_directory:
            there.mkdir(parents=True, exist_ok=True)
            shutil.copymode(source, there)
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            _link(source, there)


def _link(source: Path, target: Path) -> None:
    """A build only reads. A link costs nothing; where there can be none, a copy."""
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _below(copied: Copied) -> Iterator[tuple[str, bool]]:
    """What travels of a directory, directories before what is in them, in an order that is always the same."""
    ignored = ignores(copied.ignore)
    for at, directories, files in os.walk(copied.source):
        place = os.path.relpath(at, copied.source)
        prefix = "" if place == "." else f"{place}/"
        directories[:] = sorted(
            name for name in directories if not never_travels(name) and not os.path.islink(os.path.join(at, name))
        )
        for name in directories:
            if not ignored(prefix + name):
                yield prefix + name, True
        for name in sorted(files):
            path = os.path.join(at, name)
            if (
                not never_travels(name)
                and not ignored(prefix + name)
                and (os.path.isfile(path) or os.path.islink(path))
            ):
                yield prefix + name, False


def digest(copied: Copied) -> str:
    """What stands for the content of a file or directory: paths, whether a file can be executed, and bytes. Raises
    `InvalidError` if it is not there."""
    found = hashlib.sha256()
    if os.path.isdir(copied.source):
        for path, is_directory in _below(copied):
            found.update(f"{path}\0{'d' if is_directory else ''}".encode(errors="surrogateescape"))
            if not is_directory:
                _add(found, Path(copied.source, path))
    elif os.path.isfile(copied.source):
        _add(found, Path(copied.source))
    else:
        raise InvalidError(f"there is no file or directory {copied.source}, which an image adds")
    return found.hexdigest()[:16]


def _add(found: hashlib._Hash, path: Path) -> None:
    if path.is_symlink():
        found.update(b"l" + os.fsencode(os.readlink(path)))
        return
    found.update(b"x" if os.access(path, os.X_OK) else b"-")
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)


def located(files: LocalFiles, sys_path: Sequence[str] = ()) -> Copied:
    """Where files that an image adds lie on this machine. Raises `InvalidError` for a module that is not found."""
    if files.kind != "module":
        return Copied(files.source, files.ignore)
    spec = importlib.machinery.PathFinder.find_spec(files.source, list(sys_path) or None)
    if spec is None:
        raise InvalidError(
            f"add_local_python_source({files.source!r}): there is no module of this name where the program looks for modules"
        )
    if spec.submodule_search_locations:
        return Copied(str(next(iter(spec.submodule_search_locations))), files.ignore)
    return Copied(str(spec.origin), files.ignore)


@contextlib.contextmanager
def secret_files(directory: Path, stage: Stage, env: Mapping[str, str]) -> Iterator[tuple[dict[str, str], str]]:
    """What a build is told in secret, as files that only this user reads and that are gone afterwards: by name, and the file
    that says how one gets into a registry ("" for none). `env`: what says where packages come from."""
    directory.mkdir(mode=0o700)
    try:
        secrets = dict(stage.secrets)
        if "uv" in stage.files:
            secrets[INDEXES] = {name: env[name] for name in _INDEX_VARIABLES if env.get(name)}
            if trusted := env.get("SSL_CERT_FILE"):
                secrets[INDEXES]["SSL_CERT_FILE"] = f"{BUILD}/{CERTIFICATES}"
        paths = {name: _variables(directory / name, values) for name, values in secrets.items()}
        if "uv" in stage.files:
            paths[CERTIFICATES] = trusted or _variables(directory / CERTIFICATES, {})
        yield paths, "" if stage.login is None else _login(directory / "login", stage.login)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _variables(path: Path, values: Mapping[str, str]) -> str:
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()))
    return str(path)


def _login(directory: Path, login: RegistryLogin) -> str:
    directory.mkdir(mode=0o700)
    # Docker's hub is asked under this name since its first version.
    registry = "https://index.docker.io/v1/" if login.registry == "docker.io" else login.registry
    auth = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    path = directory / "config.json"
    path.write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
    return str(path)
