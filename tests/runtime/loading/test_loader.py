"""From a specification to something that can be called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from motet.errors import ExecutionError
from motet.model.function import FunctionSpec, ImportedDefinition, MethodSpec, SerializedDefinition
from motet.runtime.loading.loader import load
from motet.wire.parameters import encoded_parameters

MODULE = """
import motet
app = motet.App("loaded")

@app.function()
def double(x):
    return 2 * x

def bare(x):
    return 3 * x

class Outer:
    @staticmethod
    def inner():
        return 1

@app.cls()
class Model:
    size: int = motet.parameter(default=1)
    @motet.enter()
    def enter(self):
        self.log = ["enter"]
    @motet.enter()
    async def enter_async(self):
        self.log.append("enter_async")
    @motet.method()
    def times(self, x):
        return x * self.size
    @motet.exit()
    def leave(self):
        self.log.append("exit")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A module's file, on the path under a name of its own."""
    file = tmp_path / "loaded_module.py"
    file.write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(sys.modules)
    yield file
    for name in set(sys.modules) - set(before):
        if name.startswith(("loaded_module", "elsewhere", "broken")):
            del sys.modules[name]
    sys.modules["__main__"] = before["__main__"]
    sys.modules.pop("__mp_main__", None)


def spec(definition: Any, **fields: Any) -> FunctionSpec:
    return FunctionSpec(name="f", app_name="loaded", definition=definition, **fields)


def imported(qualname: str, module: str = "loaded_module", **fields: Any) -> ImportedDefinition:
    return ImportedDefinition(module=module, qualname=qualname, **fields)


def test_a_declared_function_gives_the_users_own(module: Path) -> None:
    assert load(spec(imported("double"))).methods[""](4) == 8
    assert load(spec(imported("bare"))).methods[""](4) == 12


def test_a_class_gives_bound_methods_and_hooks_in_order(module: Path) -> None:
    given = encoded_parameters({"size": 5}, "Model")
    service = load(spec(imported("Model"), is_class=True, methods=(MethodSpec(name="times"),), parameters_given=given))
    assert service.methods["times"](3) == 15
    assert [hook.func.__name__ for hook in service.enter] == ["enter", "enter_async"]  # type: ignore[attr-defined]
    assert [hook.func.__name__ for hook in service.exit] == ["leave"]  # type: ignore[attr-defined]


def test_what_travels_by_value_needs_no_module() -> None:
    offset = 10
    pickled = cloudpickle.dumps(lambda x: x + offset)
    assert load(spec(SerializedDefinition(pickled=pickled, qualname="f"))).methods[""](1) == 11


def test_a_module_that_is_not_on_the_path_is_read_from_its_file(module: Path) -> None:
    file = module.rename(module.with_name("not_importable-elsewhere.py"))
    assert load(spec(imported("double", "elsewhere", file=str(file)))).methods[""](2) == 4


def test_a_script_is_known_as_main_and_its_guard_does_not_run(module: Path) -> None:
    module.write_text(MODULE + '\nif __name__ == "__main__":\n    raise SystemExit\n\nclass Point: ...\n')
    load(spec(imported("double", "__main__", file=str(module), is_main=True)))
    assert sys.modules["__main__"].Point.__module__ == "__mp_main__"  # type: ignore[attr-defined]


def test_a_missing_function_and_a_missing_file_say_what_is_missing(module: Path) -> None:
    with pytest.raises(ExecutionError, match=r"no 'gone' when it is imported in a container"):
        load(spec(imported("gone")))
    with pytest.raises(ExecutionError, match=r"its file /nowhere/x\.py is not there"):
        load(spec(imported("f", "elsewhere", file="/nowhere/x.py")))


def test_what_the_module_raises_is_raised_and_nothing_half_imported_stays(module: Path) -> None:
    broken = module.with_name("broken.py")
    broken.write_text("import no_such_module_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        load(spec(imported("f", "broken", file=str(broken))))
    assert "broken" not in sys.modules
