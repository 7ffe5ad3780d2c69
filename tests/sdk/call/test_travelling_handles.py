"""Handles are names: they travel, come back and are copied without what they name."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import threading
from typing import Any

import cloudpickle
import pytest

import motet
from motet.exception import ExecutionError
from motet.sdk.call.function import Function
from motet.sdk.declare.cls import Cls, Obj
from motet.sdk.declare.definition import by_value_of
from motet.wire.by_value import ByValue

app = motet.App("handles")


@app.function(gpu="H100", memory=2048, cpu=2, env={"KEY": "s3cret"})
def train(x: int, *, scale: float = 1.0) -> float:
    """Trains."""
    return x * scale


@app.cls(cpu=2)
class Model:
    lock = threading.Lock()
    size: int = motet.parameter(default=1)
    limit = 7

    @motet.method()
    def add(self, x: int) -> int:
        """Adds."""
        return x + self.size


def travelled(handle: Any) -> Any:
    return pickle.loads(pickle.dumps(handle))


def elsewhere(handle: Any) -> Any:
    """As in a process that has not imported this module."""
    data = pickle.dumps(handle).replace(b"test_travelling_handles", b"test_travelling_nothing")
    return pickle.loads(data)


def test_options_of_a_handle_that_travelled_go_on_top_of_the_functions_own() -> None:
    for there in (travelled(train), travelled(travelled(train))):
        assert there.with_options(cpu=4).target.variant == train.with_options(cpu=4).target.variant
    assert travelled(Model).with_options(cpu=4).target.variant == Model.with_options(cpu=4).target.variant
    assert travelled(Model(size=2)).add.with_options(cpu=4).target.variant == (
        Model(size=2).add.with_options(cpu=4).target.variant
    )
    varied = train.with_options(timeout=5)
    assert travelled(varied).with_options(cpu=4).target.variant == varied.with_options(cpu=4).target.variant


def test_no_code_and_no_secrets_travel_with_a_handle() -> None:
    assert b"s3cret" not in pickle.dumps(train)
    assert len(pickle.dumps(train)) < 2000


def test_objects_travel_whatever_their_class_holds() -> None:
    there = travelled(Model(size=3))
    assert isinstance(there, Obj)
    assert (there.size, there.add.name, there.add.local(4)) == (3, "Model.add", 7)
    assert there.add.target.variant == Model(size=3).add.target.variant
    assert travelled(Model(size=3).add).target.variant == Model(size=3).add.target.variant
    assert travelled(Model).limit == 7
    assert travelled(Model)(size=3).size == 3


def test_where_its_class_is_not_a_handle_has_methods_and_parameters() -> None:
    there = elsewhere(Model)
    assert (type(there), there.__name__) == (Cls, "Model")
    thing = there(size=5)
    assert (thing.size, thing.add.name) == (5, "Model.add")
    with pytest.raises(AttributeError, match="came from another process without the class, so it has no 'limit'"):
        there.limit  # noqa: B018
    with pytest.raises(AttributeError, match="has no 'lock'"):
        thing.lock  # noqa: B018
    with pytest.raises(AttributeError, match=r"do Model\(\)\.add"):
        there.add  # noqa: B018
    with pytest.raises(ExecutionError, match="not possible to invoke it locally"):
        thing.add.local(1)
    with pytest.raises(ExecutionError, match="not possible to invoke it locally"):
        elsewhere(train).local(1)
    with pytest.raises(TypeError, match="unexpected keyword"):
        there(nonsense=1)


def test_where_its_function_is_a_handle_that_came_back_runs_it_locally() -> None:
    assert travelled(train).local(2, scale=3.0) == 6.0


@dataclasses.dataclass
class Holder:
    handle: Any


@pytest.mark.parametrize("handle", [train, Model, Model(size=2), Model(size=2).add, app, motet.FunctionCall("fc-1")])
def test_copies_of_handles_are_the_handles(handle: Any) -> None:
    assert copy.copy(handle) is copy.deepcopy(handle) is handle
    assert dataclasses.asdict(Holder(handle))["handle"] is handle


SOURCE = """
app = motet.App("a")
@app.cls(serialized=True)
class C:
    n = 5
    @motet.method()
    def m(self): return C.n
"""


def test_a_class_that_travels_by_value_comes_along_with_the_code_that_uses_it() -> None:
    space: dict[str, Any] = {"motet": motet, "__name__": "__main__"}
    exec(SOURCE, space)
    user_cls = space["C"].user_cls
    by_value = ByValue(modules=frozenset(["__main__"]))
    there = pickle.loads(by_value_of(user_cls, by_value, serialized=True, handle=space["C"]).pickled)
    assert there.n == 5
    assert there.user_cls().m() == 5
    assert not pickle.loads(cloudpickle.dumps(space["C"])).is_here


def test_a_handle_has_its_functions_name_documentation_and_signature() -> None:
    assert (train.__name__, train.__qualname__, train.__doc__, train.__module__) == (
        "train",
        "train",
        "Trains.",
        __name__,
    )
    assert inspect.unwrap(train) is train.raw  # type: ignore[arg-type]
    assert list(train.__signature__.parameters) == ["x", "scale"]
    add: Any = Model(size=1).add
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert elsewhere(train).__name__ == "train"
    assert elsewhere(Model)(size=1).add.__name__ == "add"
    with pytest.raises(AttributeError, match="'Function' object has no attribute 'remot'"):
        train.remot  # noqa: B018
    assert not callable(train)


def test_a_function_whose_name_another_one_took_goes_on() -> None:
    mine = motet.App("replacing")
    first: Function[..., Any] = mine.function(name="f")(train.raw)  # type: ignore[arg-type, assignment]
    faster = first.with_options(timeout=5)
    with pytest.warns(UserWarning, match="collision"):
        second = mine.function(name="f")(travelled)
    with pytest.warns(UserWarning, match="collision"):
        third = mine.function(name="f")(elsewhere)
    assert [first.name, second.name, third.name] == ["f", "f", "f"]
    assert [it.definition.qualname for it in mine.spec().functions] == ["elsewhere", "train", "travelled"]
    assert mine.registered_functions == {"f": third}
    assert len({spec.key for spec in mine.spec().functions}) == 3
    assert travelled(first).target.declared.key == first.target.declared.key
    with pytest.raises(ExecutionError, match=rf"\[{__name__}\]\.travelled was declared later under its name, 'f'"):
        pickle.dumps(faster)
    with pytest.warns(UserWarning, match="collision"):
        mine.function(name="f", timeout=5)(elsewhere)
    assert travelled(third).name == "f"  # the same code


def test_one_that_cannot_go_on_is_left_out_with_a_warning() -> None:
    def locked() -> bool:
        return lock.locked()

    lock = threading.Lock()
    mine = motet.App("left-out")
    mine.function(name="f", serialized=True)(locked)
    with pytest.warns(UserWarning, match="collision"):
        mine.function(name="f")(travelled)
    with pytest.warns(
        UserWarning, match="cannot be called, since another function has taken its name: could not pickle"
    ):
        assert [it.name for it in mine.spec().functions] == ["f"]
