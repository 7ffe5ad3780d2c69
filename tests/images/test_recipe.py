from __future__ import annotations

from collections.abc import Callable

import pytest

import motet
from motet.images.recipe import Recipe, out_of_reach

IMAGE = motet.Image.debian_slim().pip_install("numpy", index_url="https://example.org/simple")


def prepare() -> None: ...


def digest(image: motet.Image, base: str = "base") -> str:
    return Recipe.of(image.spec).digest(base)


def token(value: str) -> motet.Secret:
    return motet.Secret.from_dict({"TOKEN": value})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: IMAGE, lambda: IMAGE.env({"A": "1"})),
        (lambda: IMAGE, lambda: IMAGE.apt_install("ffmpeg").workdir("/app").run_commands("true")),
        (lambda: IMAGE, lambda: IMAGE.add_local_dir(".", "/here")),
        (lambda: IMAGE.pip_install("a", secrets=[token("1")]), lambda: IMAGE.pip_install("a", secrets=[token("2")])),
        (lambda: IMAGE.pip_install("a"), lambda: IMAGE.pip_install("a", force_build=True)),
    ],
)
def test_what_is_no_part_of_an_environment_makes_no_other_one(
    one: Callable[[], motet.Image], other: Callable[[], motet.Image]
) -> None:
    assert digest(one()) == digest(other())


@pytest.mark.parametrize(
    "other",
    [
        lambda: motet.Image.debian_slim("3.12").pip_install("numpy", index_url="https://example.org/simple"),
        lambda: motet.Image.debian_slim().pip_install("numpy"),
        lambda: IMAGE.pip_install("pandas"),
        lambda: IMAGE.run_function(prepare),
        lambda: motet.Image.debian_slim().pip_install("numpy<2", index_url="https://example.org/simple"),
    ],
)
def test_what_is_a_part_of_an_environment_makes_another_one(other: Callable[[], motet.Image]) -> None:
    assert digest(other()) != digest(IMAGE)


def test_another_base_makes_another_environment() -> None:
    assert digest(IMAGE, "one") != digest(IMAGE, "other")


def test_variables_count_where_a_function_may_read_them() -> None:
    prepared = IMAGE.run_function(prepare)
    assert digest(prepared) != digest(prepared.env({"A": "1"}))


def test_steps_that_need_a_real_image_are_out_of_reach() -> None:
    image = IMAGE.apt_install("git").run_commands("make").env({"A": "1"}).workdir("/app").entrypoint([])
    assert [str(step) for step in out_of_reach(image.spec)] == ["apt_install git", "run_commands make"]
