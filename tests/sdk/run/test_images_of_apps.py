"""Which images of an app are built, and how: as environments, or as OCI images."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

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


def asked(spec: AppSpec) -> list[tuple[bool, tuple[object, ...]]]:
    connection = Connection()
    for _ in settle_images(connection, spec, "", here=False):  # type: ignore[arg-type]
        pass
    return [(body.oci, body.images) for body in connection.asked]


@pytest.fixture(autouse=True)
def no_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOTET_ISOLATION", raising=False)


def test_the_image_of_a_function_at_the_level_oci_is_built_as_one() -> None:
    assert asked(app("oci")) == [(True, (NUMPY,)), (False, (TORCH,))]


def test_one_image_at_two_levels_is_built_both_ways() -> None:
    assert asked(app("oci", None)) == [(True, (NUMPY,)), (False, (NUMPY, TORCH))]


def test_the_level_of_the_environment_is_that_of_functions_that_say_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTET_ISOLATION", "oci")
    assert asked(app("process")) == [(True, (TORCH,)), (False, (NUMPY,))]
