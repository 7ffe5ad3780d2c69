from __future__ import annotations

import sys
from importlib import metadata

import pytest

from motet.images.installed import finding_without_packaging, is_python, missing_from_base, missing_packages
from motet.images.recipe import Recipe

MSGSPEC = metadata.version("msgspec")
HERE = ".".join(map(str, sys.version_info[:2]))

CHECKED_BY_BOTH = [
    ("msgspec", None),
    (f"msgspec=={MSGSPEC}", None),
    (f"msgspec=={MSGSPEC}.0", None),
    ("msgspec==0.*", None),
    ("msgspec[toml]>=0.1", None),
    ("Msgspec", None),
    ("msgspec==0.0.1", f"msgspec {MSGSPEC} is installed, msgspec==0.0.1 was asked for"),
    ("msgspec==99.*", f"msgspec {MSGSPEC} is installed, msgspec==99.* was asked for"),
    ("not-installed-anywhere", "not-installed-anywhere is not installed"),
    ("not-installed-anywhere>=2", "not-installed-anywhere is not installed"),
    ("git+https://example.org/a.git", "git+https://example.org/a.git cannot be checked"),
    ("a @ https://example.org/a.whl", "a @ https://example.org/a.whl cannot be checked"),
    ("./local", "./local cannot be checked"),
]


@pytest.mark.parametrize(("requirement", "finding"), CHECKED_BY_BOTH)
def test_what_is_missing_is_said(requirement: str, finding: str | None) -> None:
    expected = [] if finding is None else [finding]
    assert missing_packages((requirement, requirement)) == expected
    assert finding_without_packaging(requirement) == finding


@pytest.mark.parametrize(
    ("requirement", "finding"),
    [
        ("msgspec>=99", f"msgspec {MSGSPEC} is installed, msgspec>=99 was asked for"),
        ("not-installed-anywhere; python_version < '3'", None),
    ],
)
def test_with_packaging_ranges_and_markers_are_understood(requirement: str, finding: str | None) -> None:
    pytest.importorskip("packaging")
    assert missing_packages((requirement,)) == ([] if finding is None else [finding])


@pytest.mark.parametrize(
    ("wanted", "version", "fits"),
    [
        ("", (3, 12, 1), True),
        ("3", (3, 12, 1), True),
        ("3.12", (3, 12, 1), True),
        ("3.12.7", (3, 12, 1), True),
        ("3.1", (3, 12, 1), False),
        ("3.13", (3, 12, 1), False),
    ],
)
def test_a_python_is_one_by_its_first_two_numbers(wanted: str, version: tuple[int, ...], fits: bool) -> None:
    assert is_python(wanted, version) == fits


def test_another_python_is_missing_from_the_base() -> None:
    assert missing_from_base(Recipe(python=HERE)) == []
    (said,) = missing_from_base(Recipe(python="3.99"))
    assert said.endswith("3.99 was asked for")
