from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from motet.errors import ImageBuildError
from motet.images.interpreters import interpreter

HERE = ".".join(map(str, sys.version_info[:2]))


@pytest.mark.parametrize("wanted", ["", HERE, f"{HERE}.999"])
def test_the_python_of_the_program_is_taken_where_it_fits(wanted: str) -> None:
    assert interpreter(wanted) == sys.executable


def test_another_python_is_found_by_its_name_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python3.98"
    program.write_text(f"#!/bin/sh\nprintf '3 98 1\\n{program}\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert interpreter("3.98") == str(program)


def test_what_has_the_name_and_is_no_python_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python3.98"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ImageBuildError, match=r"asks for Python 3\.98, which is not on this machine. Install it"):
        interpreter("3.98")


@pytest.mark.parametrize("wanted", ["3.8", "2.7", "latest"])
def test_a_python_that_motet_does_not_run_on_is_refused(wanted: str) -> None:
    with pytest.raises(ImageBuildError, match=r"containers run Motet, which needs 3\.11 or newer"):
        interpreter(wanted)
