"""What an app's images ask for, before it starts: built where that is wanted, told where it is not there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.home import home_directory
from motet.errors import InvalidError
from motet.model.function import AppSpec, FunctionSpec
from motet.model.image import BuildPlace, ImageSpec
from motet.model.isolation import Isolation, no_snapshots
from motet.wire.image_messages import BuildImages, ImagesBuilt

BUILD_IMAGES = "MOTET_BUILD_IMAGES"
_ALWAYS, _ASK, _NEVER = CHOICES = ("always", "ask", "never")

ask: Callable[[str], bool] | None = None
"""Puts a question to whoever started this program; None: nobody can be asked. `motet run` sets it on a terminal."""


def images_of(app: AppSpec, what: Callable[[ImageSpec], bool]) -> list[tuple[ImageSpec, list[FunctionSpec]]]:
    """The different images of an app of which this holds, each with its functions."""
    found: list[tuple[ImageSpec, list[FunctionSpec]]] = []
    for function in app.functions:
        if not what(function.image):
            continue
        same = next((functions for image, functions in found if image == function.image), None)
        if same is None:
            found.append((function.image, [function]))
        else:
            same.append(function)
    return found


Undo = Callable[[], None]
"""Takes away what was made on this machine for as long as an app runs."""


def settle_images(connection: Connection, app: AppSpec, bundle: str, *, here: bool) -> Steps[Undo]:
    """Have environments built, or say what is missing. `here`: the app runs in this environment of this machine, unless its
    images have others; elsewhere the server sees to it, and its builds are told. Raises `ImageBuildError`, `InvalidError`."""
    if not here:
        yield from have_built(connection, app, bundle)
        return lambda: None
    _say_where_no_snapshot_is(app)
    app = replace(app, functions=tuple(replace(it, isolation=it.isolation or _default()) for it in app.functions))
    in_images = _at(app, "oci")
    if in_images.functions:
        yield from build_images(connection, in_images, [it for it, _ in images_of(in_images, _any)], bundle, oci=True)
    app = _at(app, "process", "bubblewrap")
    asking = images_of(app, lambda image: image.asks_for_environment)
    lacking = _lacking([(image, [it.name for it in functions]) for image, functions in asking]) if asking else []
    if lacking and _is_to_build(lacking):
        yield from build_images(connection, app, [image for image, _, _ in lacking], bundle)
        lacking = []
    _say_what_is_missing(lacking)
    return _say_what_the_machine_lacks(app)


def settle_image(connection: Connection, app: AppSpec, image: ImageSpec, what: str, *, here: bool) -> Steps[None]:
    """Have the environment of one image built, which `what` is to have; `here`: unless it is there, or is not to be built.
    Raises as `settle_images` does."""
    if here:
        lacking = _lacking([(image, [what])])
        if not lacking or not _is_to_build(lacking):
            return
    yield from build_images(connection, app, [image], "")


def have_built(
    connection: Connection, app: AppSpec, bundle: str, began: Callable[[], object] = lambda: None
) -> Steps[None]:
    """Have a server that stays build what images ask for, at the level of their functions, and tell what it does, and what no
    environment can have. `began` is told if there is anything to build. Raises `ImageBuildError`, `InvalidError`."""
    _say_where_no_snapshot_is(app)
    asked = [
        ([image for image, _ in images_of(_at(app, "oci"), _any)], True),
        ([image for image, _ in images_of(_at(app, None), _has_steps)], None),
        ([image for image, _ in images_of(_at(app, "process", "bubblewrap"), _has_steps)], False),
    ]
    if any(images for images, _ in asked):
        began()
    for images, oci in asked:
        # Which level functions have that say none is the server's to know.
        snapshots = _with_snapshots(_at(app, None)) if oci is None else ()
        if images or snapshots:
            yield from build_images(connection, app, images, bundle, oci=oci, snapshots=snapshots)


def build_images(
    connection: Connection,
    app: AppSpec,
    images: Iterable[ImageSpec],
    bundle: str,
    *,
    oci: bool | None = False,
    snapshots: tuple[str, ...] = (),
) -> Steps[None]:
    """Have the server build environments or OCI images (see `BuildImages`), and tell what it does until they are there. Raises
    `ImageBuildError`, `InvalidError`."""
    images, place, seen = tuple(images), BuildPlace(sys_path=app.sys_path, project_dir=app.project_dir), 0
    while True:
        reply: ImagesBuilt = yield from connection.request(
            BuildImages(app.name, images, place, bundle, seen, oci, snapshots)
        )
        for line in reply.lines:
            print(f"image: {line}", file=sys.stderr, flush=True)
        seen += len(reply.lines)
        if reply.is_over:
            return


def _at(app: AppSpec, *levels: Isolation | None) -> AppSpec:
    """The app's functions that were declared with one of these levels; None: with none."""
    return replace(app, functions=tuple(each for each in app.functions if each.isolation in levels))


def _with_snapshots(app: AppSpec) -> tuple[str, ...]:
    return tuple(function.name for function in app.functions if function.memory_snapshot)


def _say_where_no_snapshot_is(app: AppSpec) -> None:
    """A declaration with both is refused: these have their level from the command or its environment."""
    for level in ("bubblewrap", "oci"):
        if names := _with_snapshots(_at(app, level)):
            print(no_snapshots(names, level), file=sys.stderr)


def _has_steps(image: ImageSpec) -> bool:
    return bool(image.steps)


def _any(image: ImageSpec) -> bool:
    return True


Lacking = tuple[ImageSpec, list[str], list[str]]
"""An image, the names of what is to have it, and what it asks for and is not there."""


def _lacking(asking: Iterable[tuple[ImageSpec, list[str]]]) -> list[Lacking]:
    """The images whose environments would have to be built, with what the base lacks."""
    # Late: reading package metadata is slow to import, and most programs ask for nothing.
    from motet.images.builder import EnvironmentBuilder
    from motet.images.installed import missing_from_base
    from motet.images.recipe import Recipe

    builder = EnvironmentBuilder(home_directory(os.environ) / "images")
    found = []
    for image, names in asking:
        if builder.found(image) is None:
            recipe = Recipe.of(image)
            prepares = [f"{step.qualname} has not run, which prepares the image" for step in recipe.functions]
            anew = ["the image is to be built anew, by its force_build"] if recipe.is_forced else []
            found.append((image, names, [*missing_from_base(recipe), *prepares, *anew]))
    return found


def _is_to_build(lacking: list[Lacking]) -> bool:
    wanted = os.environ.get(BUILD_IMAGES) or _ASK
    if wanted not in CHOICES:
        raise InvalidError(f"{BUILD_IMAGES} must be one of {', '.join(CHOICES)}, not {wanted!r}")
    if wanted != _ASK or ask is None:
        return wanted == _ALWAYS
    reason = _why_not()
    if reason:
        print(reason, file=sys.stderr)
        return False
    return ask(f"Images ask for what this Python environment lacks:{_lines(lacking)}\nBuild environments for them?")


def _why_not() -> str:
    from motet.images.programs import NO_UV, uv_command

    return "" if uv_command() is not None else NO_UV


def _lines(lacking: list[Lacking]) -> str:
    named: dict[str, list[str]] = {}
    for _, names, findings in lacking:
        for finding in findings:
            named.setdefault(finding, []).extend(names)
    return "".join(f"\n  {finding} (for {', '.join(names)})" for finding, names in named.items())


def _default() -> Isolation:
    found = os.environ.get("MOTET_ISOLATION")
    levels: tuple[Isolation, ...] = ("bubblewrap", "oci")
    return next((level for level in levels if level == found), "process")


def _say_what_is_missing(lacking: list[Lacking]) -> None:
    """Containers run on this machine's environment: say once what images ask for and it lacks."""
    if lacking:
        print(
            f"Containers run in this Python environment, which is not what the images ask for:{_lines(lacking)}\n"
            f"  To have environments built for them: motet run --build, or {BUILD_IMAGES}=always.",
            file=sys.stderr,
        )


def _say_what_the_machine_lacks(app: AppSpec) -> Undo:
    """Of files, programs and directories; what can be made for as long as the app runs is made."""
    needing = [function for function in app.functions if function.image.files or function.image.steps]
    if not needing:
        return lambda: None
    from motet.images.host import lacking_entrypoint, missing_on_host
    from motet.images.remote_paths import LinkedPaths
    from motet.sdk.run.image_files import lacking_files, lacking_workdir

    links, named = LinkedPaths(home_directory(os.environ) / "images" / "links"), dict[str, list[str]]()
    found: list[tuple[ImageSpec, Isolation | None, list[str]]] = []
    for function in needing:
        image, level = function.image, function.isolation
        findings = next((known for it, at, known in found if (it, at) == (image, level)), None)
        if findings is None:
            files = lacking_files(image, level, app, links)
            where = [*files, *lacking_workdir(image, level, app), *lacking_entrypoint(image)]
            findings = [*where, *missing_on_host(image, os.environ)]
            found.append((image, level, findings))
        for finding in findings:
            named.setdefault(finding, []).append(function.name)
    if named:
        lines = "".join(f"\n  {finding} (for {', '.join(names)})" for finding, names in named.items())
        print(f"Containers are processes of this machine, which lacks what the images ask for:{lines}", file=sys.stderr)
    return links.undo
