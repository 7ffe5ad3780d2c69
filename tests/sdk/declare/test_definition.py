from __future__ import annotations

import functools
import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.exception import InvalidError, SerializationError
from motet.model.function import ImportedDefinition, SerializedDefinition
from motet.sdk.declare.definition import by_value_of, out_of_reach, place_of, unwrap
from motet.wire import payload
from motet.wire.by_value import NOTHING, ByValue

VALUE = 5
UNPICKLABLE = (it for it in ())


def use_value() -> int:
    return VALUE


def use_unpicklable() -> Any:
    return UNPICKLABLE


class Outer:
    class Inner:
        @motet.method()
        def get(self) -> int:
            return VALUE

    def method(self) -> int:
        return VALUE


def make_local() -> Any:
    def local() -> int:
        return VALUE

    return local


def test_a_modules_function_is_imported() -> None:
    assert place_of(use_value, serialized=False) == ImportedDefinition(
        module=__name__, qualname="use_value", file=__file__
    )
    assert place_of(Outer.Inner, serialized=False) == ImportedDefinition(
        module=__name__, qualname="Outer.Inner", file=__file__
    )


def twice() -> int:
    return 1


first = twice


def twice() -> int:  # type: ignore[no-redef]
    return 2


class Thing:
    pass


def use_thing(value: Any) -> bool:
    return isinstance(value, Thing)


def test_what_its_name_does_not_find_travels_by_value_and_runs_its_own_code() -> None:
    assert place_of(first, serialized=False) is None
    assert place_of(twice, serialized=False) is not None
    loaded = pickle.loads(by_value_of(first, NOTHING, serialized=False).pickled)
    assert (loaded(), twice()) == (1, 2)


def test_what_cannot_travel_by_value_in_the_place_of_its_name_says_so() -> None:
    def hidden() -> Any:
        return UNPICKLABLE

    with pytest.raises(SerializationError, match=r"has something else by its name, with the global variables"):
        by_value_of(hidden, NOTHING, serialized=False)


def test_a_serialized_function_of_a_module_knows_the_modules_classes() -> None:
    loaded = pickle.loads(by_value_of(use_thing, NOTHING, serialized=True).pickled)
    assert loaded(Thing())
    assert out_of_reach(use_thing) is None


def test_a_module_that_no_other_process_finds_is_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "far_away.py").write_text("class Thing: pass\ndef f(value): return isinstance(value, Thing)")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("far_away")
    assert out_of_reach(module.f) is None
    monkeypatch.undo()
    assert out_of_reach(module.f) == "far_away"
    by_value = ByValue(modules=frozenset(["far_away"]))
    function = by_value_of(module.f, by_value, serialized=True).pickled
    argument = payload.dumps(module.Thing(), "", by_value)
    monkeypatch.delitem(sys.modules, "far_away", raising=False)
    assert pickle.loads(function)(pickle.loads(argument))


def test_a_serialized_function_travels_with_its_globals() -> None:
    definition = by_value_of(use_value, NOTHING, serialized=True)
    assert isinstance(definition, SerializedDefinition)
    assert definition.qualname == "use_value"
    loaded = pickle.loads(definition.pickled)
    assert loaded() == 5
    assert loaded.__globals__ is not use_value.__globals__


def test_what_cannot_be_pickled_is_named() -> None:
    with pytest.raises(SerializationError, match=r"could not pickle function use_unpicklable: TypeError: .*generator"):
        by_value_of(use_unpicklable, NOTHING, serialized=True)


def test_a_large_function_is_refused_and_a_rather_large_one_warned_of() -> None:
    def holding(size: int) -> Any:
        data = bytes(size)
        return lambda: data

    with pytest.raises(InvalidError, match="the limit is 16 MiB"):
        by_value_of(holding(17 * 2**20), NOTHING, serialized=True)
    with pytest.warns(UserWarning, match="more than 256 KiB makes containers start slowly"):
        by_value_of(holding(300 * 2**10), NOTHING, serialized=True)


@pytest.mark.parametrize("function", [make_local(), lambda: 1])
def test_only_global_functions_can_be_imported(function: Any) -> None:
    with pytest.raises(InvalidError, match="must apply to functions in global scope, unless `serialized=True` is set"):
        motet.App().function()(function)


def test_a_local_function_may_be_serialized() -> None:
    assert motet.App().function(serialized=True)(make_local()).target.spec.name == "local"


@pytest.mark.parametrize("method", [Outer.method, motet.method()(use_value), staticmethod(use_value)])
def test_methods_are_no_functions(method: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.App().function()(method)
    assert str(caught.value).startswith(
        "The `@app.function` decorator cannot be used on class methods. Swap with `@motet.method`"
    )


@pytest.mark.parametrize("wrong", [5, "f", None, functools.partial(use_value)])
def test_other_things_are_no_functions(wrong: Any) -> None:
    with pytest.raises(InvalidError, match="must be used on a function, not on "):
        motet.App().function()(wrong)


def test_a_function_is_declared_once() -> None:
    with pytest.raises(InvalidError, match=r"Cannot apply `@app\.function` twice"):
        motet.App().function()(motet.App().function()(use_value))


def test_unwrap_gives_what_the_user_wrote() -> None:
    app = motet.App()
    concurrent = motet.concurrent(max_inputs=2)
    assert unwrap(app.function()(use_value)) is use_value
    assert unwrap(concurrent(use_value)) is use_value
    assert unwrap(motet.method()(use_value)) is use_value
    assert unwrap(app.cls()(Outer.Inner)) is Outer.Inner
    assert unwrap(concurrent(Outer.Inner)) is Outer.Inner
    assert unwrap(use_value) is use_value


PROGRAM = """
import motet
app = motet.App("program")

@app.function()
def f(): return g.name

@app.function()
def g(): return f.name

@app.cls()
class C:
    @motet.method()
    def get(self): return C().get, f.name

for spec in app.spec().functions:
    it = spec.definition
    by_value = type(it).__name__ == "SerializedDefinition"
    print(it.qualname, "by value" if by_value else (it.module, it.file, it.is_main))
"""


def run_python(*arguments: str, stdin: str | None = None, directory: Path) -> list[str]:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, cwd=directory)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_scripts_functions_are_imported_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    place = ("__main__", str(tmp_path / "program.py"), True)
    assert run_python("program.py", directory=tmp_path) == [f"f {place}", f"g {place}", f"C {place}"]


def test_a_module_run_as_main_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "program.py").write_text(PROGRAM)
    place = ("package.program", str(tmp_path / "package" / "program.py"), True)
    assert run_python("-m", "package.program", directory=tmp_path) == [f"f {place}", f"g {place}", f"C {place}"]


@pytest.mark.parametrize("how", ["stdin", "-c"])
def test_a_program_without_a_file_travels_by_value(how: str, tmp_path: Path) -> None:
    if how == "stdin":
        lines = run_python("-", stdin=PROGRAM, directory=tmp_path)
    else:
        lines = run_python("-c", PROGRAM, directory=tmp_path)
    assert lines == ["f by value", "g by value", "C by value"]


CELL = """
import motet
exec(compile('''
app = motet.App("cells")

@app.function()
def f(): return 1

@app.cls()
class C:
    @motet.method()
    def get(self): return 1
''', "<ipython-input-1>", "exec"))
for spec in app.spec().functions:
    print(type(spec.definition).__name__)
"""


def test_a_cell_in_a_program_with_a_file_travels_by_value(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CELL)
    assert run_python("program.py", directory=tmp_path) == ["SerializedDefinition", "SerializedDefinition"]
