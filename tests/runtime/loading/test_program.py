"""The program's main module in a container."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.errors import ExecutionError
from motet.model.function import ImportedDefinition
from motet.runtime.loading.program import import_main, know_main

SOURCE = """
class Point: ...
if __name__ == "__main__":
    raise SystemExit
"""


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before
    sys.modules.pop("__mp_main__", None)


def program(directory: Path, name: str, module: str = "__main__", source: str = SOURCE) -> ImportedDefinition:
    (directory / name).write_text(source)
    return ImportedDefinition(module=module, qualname="", file=str(directory / name), is_main=True)


def test_a_script_needs_no_suffix_and_looks_to_multiprocessing_as_at_home(tmp_path: Path) -> None:
    main = import_main(program(tmp_path, "tool"))
    assert (main.__name__, main.__spec__, main.__file__) == ("__mp_main__", None, str(tmp_path / "tool"))
    assert sys.modules["__main__"] is sys.modules["__mp_main__"] is main
    assert [it.name for it in tmp_path.iterdir()] == ["tool"]
    module = import_main(program(tmp_path, "m.py", "package.m"))
    assert (module.__spec__.name, module.__package__) == ("package.m", "package")  # type: ignore[union-attr]


def test_in_other_containers_it_is_imported_when_something_of_it_is_asked_for(tmp_path: Path) -> None:
    know_main(program(tmp_path, "script.py"))
    late = sys.modules["__main__"]
    assert not hasattr(late, "__path__")
    assert sys.modules["__main__"] is late
    loaded = pickle.loads(b"c__main__\nPoint\n.")
    assert loaded is sys.modules["__mp_main__"].Point  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(loaded)) is loaded


def test_one_that_fails_is_tried_again(tmp_path: Path) -> None:
    definition = program(tmp_path, "script.py", source="raise ValueError('not now')")
    know_main(definition)
    with pytest.raises(ValueError, match="not now"):
        pickle.loads(b"c__main__\nPoint\n.")
    program(tmp_path, "script.py", source=SOURCE + "# longer than before")
    assert pickle.loads(b"c__main__\nPoint\n.").__name__ == "Point"


def test_one_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="its file /nowhere/x is not there"):
        import_main(ImportedDefinition(module="__main__", qualname="", file="/nowhere/x", is_main=True))
