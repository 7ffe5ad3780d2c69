"""Which images of an app are built, and how: as environments, or as OCI images."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from msgspec.structs import replace

import motet
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.sdk.run.images import settle_images
from motet.wire.image_messages import BuildImages, ImagesBuilt

NUMPY = motet.Image.debian_slim().pip_install("numpy").spec
TORCH = motet.Image.debian_slim().pip_install("torch").spec


class Connection:
    """Answers that everything is there, and notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[BuildImages] = []

    def request(self, body: BuildImages) -> Generator[Any, Any, ImagesBuilt]:
        self.asked.append(body)
        yield
        return ImagesBuilt([], True)


def app(*isolations: Any) -> AppSpec:
    """One whose functions ask for numpy at these levels; another, without a level, asks for torch."""
    definition = ImportedDefinition(module="m", qualname="f")
    functions = [
        FunctionSpec(name=f"f{number}", app_name="a", definition=definition, image=NUMPY, isolation=isolation)
        for number, isolation in enumerate(isolations)
    ]
    last = FunctionSpec(name="g", app_name="a", definition=definition, image=TORCH)
    return AppSpec(name="a", functions=(*functions, last))


def asked(spec: AppSpec) -> list[tuple[bool | None, tuple[object, ...]]]:
    connection = Connection()
    for _ in settle_images(connection, spec, "", here=False):  # type: ignore[arg-type]
        pass
    return [(body.oci, body.images) for body in connection.asked]


def test_each_image_is_built_at_the_level_of_its_functions() -> None:
    assert asked(app("oci", None)) == [(True, (NUMPY,)), (None, (NUMPY, TORCH))]
    assert asked(app("process", "bubblewrap")) == [(None, (TORCH,)), (False, (NUMPY,))]


def test_functions_without_a_level_are_built_for_as_their_server_has_it() -> None:
    git = motet.Image.debian_slim().apt_install("git").spec
    spec = app()
    spec = replace(spec, functions=tuple(replace(each, image=git) for each in spec.functions))
    assert asked(spec) == [(None, (git,))]
    assert asked(replace(spec, functions=())) == []
