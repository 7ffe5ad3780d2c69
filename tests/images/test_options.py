from __future__ import annotations

import pytest

from motet.images.options import UvOptions
from motet.model.image import PythonPackages


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (PythonPackages(index_url="https://a"), ["--default-index", "https://a"]),
        (
            PythonPackages(extra_index_url="https://a https://b"),
            ["--index", "https://a", "--index", "https://b", "--index-strategy", "unsafe-best-match"],
        ),
        (PythonPackages(extra_index_url="https://a", way="uv_pip_install"), ["--index", "https://a"]),
        (PythonPackages(find_links="/wheels", pre=True), ["--find-links", "/wheels", "--prerelease=allow"]),
        (PythonPackages(extra_options="--upgrade --no-cache-dir --break-system-packages -q"), []),
        (
            PythonPackages(extra_options="--trusted-host a --no-binary b"),
            ["--allow-insecure-host", "a", "--no-binary", "b"],
        ),
        (PythonPackages(extra_options="-i https://a"), ["--default-index", "https://a"]),
        (
            PythonPackages(lines=("--index-url=https://a", "--pre", "-e ./here", "kite")),
            ["--default-index", "https://a", "--prerelease=allow"],
        ),
    ],
)
def test_options_of_pip_are_said_in_the_words_of_uv(step: PythonPackages, said: list[str]) -> None:
    assert list(UvOptions.of(step).arguments()) == said


def test_steps_with_different_indexes_find_their_packages_together() -> None:
    steps = [PythonPackages(index_url="https://torch"), PythonPackages(), PythonPackages(extra_options="--no-deps")]
    together = UvOptions.together(map(UvOptions.of, steps))
    assert list(together.arguments()) == ["--index", "https://torch"]
    assert list(together.arguments(is_locked=True)) == [
        "--index",
        "https://torch",
        "--index-strategy",
        "unsafe-best-match",
    ]
    assert UvOptions.of(steps[2]).without_dependencies
