"""`motet shell`: an interactive shell in a sandbox, or in a container like a function's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click
from msgspec.structs import replace

from motet.bundles.environment import own_path
from motet.cli import reference as references
from motet.cli.attach import is_terminal
from motet.cli.options import errors_on_a_line
from motet.cli.sandbox_command import reached, run_in
from motet.cli.terminal import tell
from motet.client.home import home_directory
from motet.client.settings import SERVER
from motet.model.function import AppSpec, FunctionSpec
from motet.model.sandbox import MAX_TIMEOUT, PREFIX
from motet.sdk.declare.app import App
from motet.sdk.declare.app_spec import ISOLATION
from motet.sdk.options.image import Image
from motet.sdk.sandbox.sandbox import Sandbox

DEFAULT = ("/bin/sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi")


@click.command("shell")
@click.argument("what", required=False, metavar="[FILE::FUNCTION | SANDBOX]")
@click.option("-m", "module", is_flag=True, help="The function's file is given as a module (package.module::name).")
@click.option("-c", "--cmd", metavar="LINE", help="Run this line of a shell instead, and end.")
@click.option("--pty/--no-pty", default=None, help="With a terminal, which is this one. Default: if this is one.")
def shell_command(*, what: str | None, module: bool, cmd: str | None, pty: bool | None) -> None:
    """Open a shell in a container.

    SANDBOX is the id of one that runs, or the end of it, or its name. FILE::FUNCTION makes a sandbox with the image,
    environment, working directory and search path of a function, which ends with the shell. Without either, it is a plain
    one.
    """
    command = DEFAULT if cmd is None else ("/bin/sh", "-c", cmd)
    with_terminal = is_terminal() if pty is None else pty
    with errors_on_a_line():
        if what is not None and not module and _is_sandbox(what):
            with reached(what) as box:
                sys.exit(run_in(box, command, pty=with_terminal))
        sys.exit(_in_new_one(what, command, is_module=module, pty=with_terminal))


def _is_sandbox(what: str) -> bool:
    """Whether this is a sandbox's id or name, and no file's or function's."""
    return what.startswith(PREFIX) or not ("::" in what or what.endswith(".py") or os.path.exists(what))


def _in_new_one(what: str | None, command: tuple[str, ...], *, is_module: bool, pty: bool) -> int:
    spec: FunctionSpec | None = None
    if what is not None:
        reference = references.parse(what, is_module=is_module, program="motet shell")
        spec = references.resolve(references.load(reference), reference).handle.target.spec
    os.environ.setdefault(SERVER, "embedded")
    image = None if spec is None else Image(spec.image)
    isolation = (None if spec is None else spec.isolation) or os.environ.get(ISOLATION) or "process"
    here: str | None = os.getcwd()
    if isolation != "process":  # within walls, nothing of the program is there by itself
        here, image = (None, None) if image is None else (here, image.add_local_dir(os.getcwd(), os.getcwd()))
    env = {} if spec is None else {"PYTHONPATH": os.pathsep.join(own_path(tuple(filter(None, sys.path)))), **spec.env}
    app = App("shell")
    options = {"env": env, "workdir": here, "isolation": isolation, "timeout": MAX_TIMEOUT}
    image, undo = _at_its_paths(image) if isolation == "process" else (image, _nothing)
    try:
        with app.run(), Sandbox.create(app=app, image=image, **options) as box:
            return run_in(box, command, pty=pty)
    finally:
        undo()


def _nothing() -> None:
    """Nothing was made."""


def _at_its_paths(image: Image | None) -> tuple[Image | None, Callable[[], None]]:
    """The image without files, which a process finds on the machine: as for functions, paths that lead to them are made for as
    long as the shell is open, and what is not there is told."""
    if image is None or not image.spec.files:
        return image, _nothing
    from motet.images.remote_paths import LinkedPaths
    from motet.sdk.run.image_files import lacking_files

    links = LinkedPaths(home_directory(os.environ) / "images" / "links")
    around = AppSpec(name="shell", functions=(), project_dir=os.getcwd())
    for finding in lacking_files(image.spec, "process", around, links):
        tell(f"Warning: {finding}", err=True)
    modules = tuple(each for each in image.spec.files if each.kind == "module")
    return Image(replace(image.spec, files=modules)), links.undo
