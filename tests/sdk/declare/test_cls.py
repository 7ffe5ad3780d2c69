from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from types import ModuleType
from typing import Any

import cloudpickle
import pytest

import motet
from motet.exception import DeprecationError, InvalidError
from motet.model.function import MethodSpec
from motet.sdk.call.bound_method import BoundMethod, register
from motet.sdk.call.function import Function
from motet.sdk.declare.definition import by_value_of
from motet.sdk.declare.user_class import instantiate
from motet.wire.by_value import NOTHING
from motet.wire.parameters import decoded_parameters

app = motet.App("classes")


@app.cls(max_containers=3)
@motet.concurrent(max_inputs=4)
class Model:
    """Documented."""

    kind = "model"
    entered = 0

    @motet.enter()
    def load(self) -> None:
        self.entered += 1

    @motet.method()
    def double(self, x: int) -> int:
        return 2 * x * self.entered

    @motet.method()
    async def slow_double(self, x: int) -> int:
        """Calls another method, here."""
        return int(self.double(x))

    @motet.method()
    def count(self, n: int) -> Any:
        yield from range(n * self.entered)

    @motet.method()
    async def slow_count(self, n: int) -> Any:
        for i in range(n * self.entered):
            yield i

    def helper(self) -> str:
        return f"helper {self.entered}"


@app.cls()
class Sized:
    size: int = motet.parameter(default=3)
    name: str = motet.parameter()

    @motet.method()
    def label(self) -> str:
        return f"{self.name}/{self.size}"

    @motet.method()
    def other(self) -> Any:
        return self.label


def test_the_spec_of_a_class() -> None:
    spec = Model.target.spec
    assert (spec.name, spec.app_name, spec.is_class, spec.concurrency.max_inputs) == ("Model", "classes", True, 4)
    assert spec.methods == (
        MethodSpec(name="double"),
        MethodSpec(name="slow_double", is_async=True),
        MethodSpec(name="count", is_generator=True),
        MethodSpec(name="slow_count", is_async=True, is_generator=True),
    )
    assert [parameter.name for parameter in Sized.target.spec.parameters] == ["size", "name"]


def test_a_method_of_an_object_is_a_function_of_the_class() -> None:
    obj = Model()
    assert isinstance(obj.double, Function)
    assert obj.double.method == MethodSpec(name="double")
    assert obj.double.target is Model.target
    assert obj.double is obj.double
    with pytest.raises(TypeError, match="not callable"):
        obj.double(1)


def test_a_method_of_the_class_itself_is_refused() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = Model.double
    assert str(caught.value) == (
        "You can't access methods on a Cls directly - Did you forget to instantiate the class first?\n"
        "e.g. instead of Model.double.remote(), do Model().double.remote()"
    )


def test_other_class_attributes_are_the_users() -> None:
    assert (Model.kind, Model.__name__, Model.__doc__) == ("model", "Model", "Documented.")
    with pytest.raises(AttributeError):
        _ = Model.nonsense


def test_local_runs_enter_hooks_once() -> None:
    obj = Model()
    assert obj.helper() == "helper 0"
    assert obj.double.local(4) == 8
    assert obj.double.local(4) == 8
    assert list(obj.count.local(3)) == [0, 1, 2]
    assert (obj.entered, obj.helper()) == (1, "helper 1")


async def _local_calls(obj: Any) -> tuple[Any, Any, Any]:
    both = await asyncio.gather(obj.slow_double.local(3), obj.slow_double.local(4))
    return both, [item async for item in obj.slow_count.local(2)], obj.entered


def test_local_calls_of_async_methods_run_enter_hooks_once() -> None:
    assert asyncio.run(_local_calls(Model())) == ([6, 8], [0, 1], 1)


def test_local_calls_on_many_threads_enter_once() -> None:
    obj = Model()
    threads = [threading.Thread(target=obj.double.local, args=(1,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert obj.entered == 1


class AsyncEnter:
    @motet.enter()
    async def load(self) -> None:
        await asyncio.sleep(0)
        self.loaded = True

    @motet.method()
    def get(self) -> bool:
        return self.loaded

    @motet.method()
    async def slow_get(self) -> bool:
        return self.loaded


def test_async_enter_hooks_run_for_both_kinds_of_methods() -> None:
    declared: Any = motet.App().cls()(AsyncEnter)
    assert declared().get.local() is True
    assert asyncio.run(declared().slow_get.local()) is True


def test_an_async_enter_hook_inside_a_loop_needs_an_async_method() -> None:
    async def inside() -> None:
        declared: Any = motet.App().cls()(AsyncEnter)
        with pytest.raises(InvalidError, match=r"cannot run for `\.local\(\)` of a synchronous method"):
            declared().get.local()

    asyncio.run(inside())


# --- parameters ---


def test_parameters_make_a_pool_of_their_own() -> None:
    one, same, other = Sized(name="a"), Sized(size=3, name="a"), Sized(size=4, name="a")
    assert one.label.target.spec.parameters_given == same.label.target.spec.parameters_given
    assert one.label.target.spec.parameters_given != other.label.target.spec.parameters_given
    assert decoded_parameters(one.label.target.spec.parameters_given) == {"size": 3, "name": "a"}
    assert one.label.target.spec.has_pool
    assert not Sized.target.spec.has_pool


def test_parameters_are_attributes_and_reach_local_calls() -> None:
    obj = Sized(size=5, name="a")
    assert (obj.size, obj.name, obj.label.local()) == (5, "a", "a/5")
    assert repr(obj) == "<motet.Obj Sized(size=5, name='a')>"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "missing the required parameter 'name'"),
        ({"name": 1}, "'name' must be str, not int"),
        ({"nome": "a"}, "unexpected keyword argument 'nome'"),
    ],
)
def test_wrong_parameters_are_refused_when_the_object_is_made(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Sized(**parameters)


def test_parameters_are_given_by_keyword() -> None:
    with pytest.raises(InvalidError, match=r"^Can't use positional arguments with motet\.parameter-based synthetic"):
        Sized("a")


def test_a_class_without_parameters_takes_none() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        Model(size=3)


# --- inside the class ---


def test_inside_the_class_a_method_is_both_plain_and_a_function() -> None:
    instance = instantiate(Sized.user_cls, {"name": "a", "size": 9})
    bound = instance.label
    assert isinstance(bound, BoundMethod)
    assert bound() == bound.local() == "a/9"
    assert bound.target.spec.parameters_given == Sized(name="a", size=9).label.target.spec.parameters_given
    assert bound.remote is not None
    varied = bound.with_options(timeout=7)
    assert (varied(), varied.target.spec.timeout, bound.target.spec.timeout) == ("a/9", 7.0, 300.0)


def test_a_local_object_sees_the_same() -> None:
    assert Sized(name="b").other.local()() == "b/3"


# --- what app.cls refuses ---


def test_custom_constructors_are_deprecated() -> None:
    class Custom:
        def __init__(self, size: int = 4) -> None:
            self.size = size

        @motet.method()
        def get(self) -> int:
            return self.size

    with pytest.warns(DeprecationError, match=r"Custom has a custom constructor \(__init__\).*`@motet\.enter\(\)`"):
        declared: Any = motet.App().cls(serialized=True)(Custom)
    assert declared().get.local() == 4


def test_constructors_with_arguments_are_refused() -> None:
    class Custom:
        def __init__(self, size: int) -> None: ...

    with pytest.raises(InvalidError, match=r"Custom.__init__ needs arguments \(size\).*motet\.parameter\(\)"):
        motet.App().cls(serialized=True)(Custom)


def test_constructors_beside_parameters_are_refused() -> None:
    class Custom:
        size: int = motet.parameter()

        def __init__(self) -> None: ...

    with pytest.raises(InvalidError, match=r"^A class can't have both a custom __init__ constructor and dataclass"):
        motet.App().cls(serialized=True)(Custom)


def test_a_declared_class_cannot_be_a_parent() -> None:
    for parent in (Model, motet.concurrent(max_inputs=2)(AsyncEnter)):
        with pytest.raises(InvalidError, match="is decorated and cannot be inherited from"):
            type("Child", *_resolved(parent))


def _resolved(parent: Any) -> tuple[tuple[type, ...], dict[str, Any]]:
    return parent.__mro_entries__((parent,)), {}


def test_the_class_statement_says_so_too() -> None:
    with pytest.raises(InvalidError, match="Model is decorated and cannot be inherited from"):
        exec("class Child(Model): pass", {"Model": Model})


def test_a_class_is_declared_once() -> None:
    with pytest.raises(InvalidError, match=r"Cannot apply `@app\.cls` twice"):
        motet.App().cls()(Model)  # type: ignore[arg-type]


def test_a_local_class_needs_serialized() -> None:
    class Local:
        @motet.method()
        def get(self) -> int:
            return 1

    with pytest.raises(InvalidError, match="must apply to classes in global scope, unless `serialized=True` is set"):
        motet.App().cls()(Local)
    declared = motet.App().cls(serialized=True)(Local)
    assert declared.target.spec.name == "Local"


# --- pickling ---


def test_handles_can_be_pickled() -> None:
    copy = pickle.loads(cloudpickle.dumps(Sized(name="a", size=8)))
    assert copy.label.target.spec.parameters_given == Sized(name="a", size=8).label.target.spec.parameters_given
    assert copy.label.method == MethodSpec(name="label")


NOTEBOOK = """
import motet
app = motet.App("notebook")
lock = __import__("threading").Lock()

@app.cls()
class Cell:
    name: str = motet.parameter(default="a")

    @motet.enter()
    def up(self):
        self.up = True

    @motet.method()
    def get(self):
        return self.name, self.up, Cell(name="b").get, self.get

@app.function()
def unpicklable():
    return lock
"""


def test_a_class_travels_by_value_with_handles_on_itself() -> None:
    module = ModuleType("notebook_of_test_cls")
    sys.modules[module.__name__] = module
    exec(NOTEBOOK, vars(module))
    data = by_value_of(module.Cell.user_cls, NOTHING, serialized=True, handle=module.Cell).pickled
    del sys.modules[module.__name__], module
    cls = pickle.loads(data)
    instance = instantiate(cls.user_cls, {})
    instance.up()
    name, up, handle, own = instance.get()
    assert (name, up) == ("a", True)
    assert decoded_parameters(handle.target.spec.parameters_given) == {"name": "b"}
    assert isinstance(own, BoundMethod)
    assert decoded_parameters(own.target.spec.parameters_given or b"") == {"name": "a"}


def test_a_plain_call_of_an_own_method_finds_out_nothing_that_only_other_calls_need() -> None:
    class Loop:
        @motet.method()
        def double(self, x: int) -> int:
            return 2 * x

    asked: list[object] = []

    def target_of(instance: object) -> Any:
        asked.append(instance)
        raise LookupError("asked")

    register(Loop, target_of)
    loop = Loop()
    assert [loop.double(x) for x in range(3)] == [0, 2, 4]
    assert loop.double.local(3) == 6
    assert asked == []
    with pytest.raises(LookupError):
        loop.double.remote(1)
    assert asked == [loop]


class Slow:
    """Counts how often it is entered, and says when that has begun."""

    begun = threading.Event()
    entered = 0
    fails = 0

    @motet.enter()
    async def load(self) -> None:
        Slow.begun.set()
        for _ in range(3):
            await asyncio.sleep(0)
        if Slow.fails:
            Slow.fails -= 1
            raise OSError("not this time")
        self.entered += 1

    @motet.method()
    def get(self) -> int:
        return self.entered

    @motet.method()
    async def get_async(self) -> int:
        return self.entered


@pytest.fixture
def slow() -> Any:
    Slow.begun, Slow.fails = threading.Event(), 0
    return motet.App("slow").cls(serialized=True)(Slow)()


def test_local_calls_of_both_colours_at_the_same_time_enter_once(slow: Any) -> None:
    async def scene() -> list[int]:
        awaited = asyncio.create_task(slow.get_async.local())
        await asyncio.to_thread(Slow.begun.wait)
        return [await asyncio.to_thread(slow.get.local), await awaited]

    assert asyncio.run(scene()) == [1, 1]


def test_a_loop_goes_on_while_a_thread_enters_the_object_that_its_task_waits_for(slow: Any) -> None:
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(slow.get.local()))

    async def scene() -> int:
        thread.start()
        await asyncio.to_thread(Slow.begun.wait)
        return await slow.get_async.local()  # type: ignore[no-any-return]

    assert asyncio.run(scene()) == 1
    thread.join()
    assert got == [1]


def test_who_waited_for_an_enter_that_failed_enters_itself(slow: Any) -> None:
    Slow.fails = 1

    async def scene() -> list[Any]:
        return await asyncio.gather(*(slow.get_async.local() for _ in range(3)), return_exceptions=True)

    first, *others = asyncio.run(scene())
    assert isinstance(first, OSError)
    assert others == [1, 1]


def test_a_blocking_local_call_in_the_loop_that_enters_is_refused_and_does_not_hang(slow: Any) -> None:
    async def scene() -> int:
        awaited = asyncio.create_task(slow.get_async.local())
        await asyncio.sleep(0)
        with pytest.raises(InvalidError, match="tasks still run its asynchronous enter hooks"):
            slow.get.local()
        return await awaited  # type: ignore[no-any-return]

    assert asyncio.run(scene()) == 1
