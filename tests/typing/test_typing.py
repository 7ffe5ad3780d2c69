"""Declared functions keep the types of what they were made of."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_calls_have_the_types_of_the_functions_and_mistakes_are_found() -> None:
    api = pytest.importorskip("mypy.api", reason="needs mypy (the dev extra)")
    program = str(Path(__file__).with_name("declared_calls.py"))
    output, errors, status = api.run(["--strict", "--config-file", str(ROOT / "pyproject.toml"), program])
    assert (status, errors) == (0, ""), output
