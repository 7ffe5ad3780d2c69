from __future__ import annotations

import functools
from typing import Any

import pytest

import motet
from motet.exception import InvalidError
from motet.model.function import MethodSpec
from motet.sdk.declare.user_class import hooks, instantiate, methods, raw_method

MIXED = r"^Interface decorators cannot be combined with lifecycle decorators\.$"


def plain(self: Any) -> int:
    return 1


async def coroutine(self: Any) -> int:
    return 1


def generator(self: Any) -> Any:
    yield 1


async def async_generator(self: Any) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "is_async", "is_generator"),
    [
        (plain, False, False),
        (coroutine, True, False),
        (generator, False, True),
        (async_generator, True, True),
        (functools.lru_cache(plain), False, False),
    ],
)
def test_how_a_function_is_called_is_looked_up(function: Any, is_async: bool, is_generator: bool) -> None:
    assert motet.App().function()(function).method == MethodSpec(is_async=is_async, is_generator=is_generator)


def test_a_plain_function_can_be_said_to_give_an_iterator() -> None:
    assert motet.App().function(is_generator=True)(plain).method.is_generator
    spec = motet.method(is_generator=True)(plain).spec
    assert spec is not None
    assert spec.is_generator


@pytest.mark.parametrize(("function", "said"), [(generator, False), (async_generator, False), (coroutine, True)])
def test_is_generator_cannot_contradict_the_function(function: Any, said: bool) -> None:
    for decorate in (motet.App().function(is_generator=said), motet.method(is_generator=said)):
        with pytest.raises(InvalidError, match=f"`is_generator={said}` was given for {function.__name__}"):
            decorate(function)


@pytest.mark.parametrize(
    ("decorator", "suggestion"),
    [
        (motet.method, "@motet.method()"),
        (motet.enter, "@motet.enter()"),
        (motet.exit, "@motet.exit()"),
        (motet.App().function, "@app.function()"),
        (motet.App().cls, "@app.cls()"),
        (motet.App().local_entrypoint, "@app.local_entrypoint()"),
    ],
)
def test_forgotten_parentheses_are_named(decorator: Any, suggestion: str) -> None:
    with pytest.raises(InvalidError) as caught:
        decorator(plain)
    assert str(caught.value) == (
        f"Positional arguments are not allowed. Did you forget parentheses? Suggestion: `{suggestion}`."
    )


def test_a_positional_image_is_named() -> None:
    with pytest.raises(InvalidError) as caught:
        motet.App().function(motet.Image.debian_slim())  # type: ignore[arg-type]
    assert str(caught.value) == "`image` needs to be a keyword argument: `@app.function(image=image)`."


@pytest.mark.parametrize("hook", [motet.enter(), motet.exit()])
def test_a_method_is_no_hook(hook: Any) -> None:
    with pytest.raises(InvalidError, match=MIXED):
        hook(motet.method()(plain))
    with pytest.raises(InvalidError, match=MIXED):
        motet.method()(hook(plain))


@pytest.mark.parametrize("decorator", [motet.method, motet.enter, motet.exit])
def test_no_decorator_is_applied_twice(decorator: Any) -> None:
    with pytest.raises(InvalidError, match="twice"):
        decorator()(decorator()(plain))


@pytest.mark.parametrize("decorator", [motet.method(), motet.enter(), motet.exit()])
@pytest.mark.parametrize("wrapped", [int, 5, staticmethod(plain), classmethod(plain), motet.App().function()(plain)])
def test_only_methods_can_be_decorated(decorator: Any, wrapped: Any) -> None:
    with pytest.raises(InvalidError):
        decorator(wrapped)


@pytest.mark.parametrize("decorator", [motet.enter(), motet.exit()])
def test_hooks_take_no_arguments_and_do_not_yield(decorator: Any) -> None:
    def needs_more(self: Any, other: int) -> None: ...

    with pytest.raises(InvalidError, match=r"called without arguments; .*needs_more needs other"):
        decorator(needs_more)
    with pytest.raises(InvalidError, match="cannot be used on a generator"):
        decorator(generator)


@pytest.mark.parametrize("wrong", [1, None, "yes"])
def test_snap_is_a_bool(wrong: Any) -> None:
    with pytest.raises(InvalidError, match="`snap` must be True or False"):
        motet.enter(snap=wrong)


class Parent:
    def __init__(self) -> None:
        self.log: list[str] = []

    @motet.enter()
    def parent_enter(self) -> None:
        self.log.append("parent enter")

    @motet.enter()
    def replaced(self) -> None:
        self.log.append("never")

    @motet.exit()
    def parent_exit(self) -> None:
        self.log.append("parent exit")

    @motet.method()
    def inherited(self) -> str:
        return "inherited"


class Child(Parent):
    @motet.enter()
    def child_enter(self) -> None:
        self.log.append("child enter")

    @motet.enter(snap=True)
    def early(self) -> None:
        self.log.append("child snap")

    def replaced(self) -> None:  # type: ignore[override]
        self.log.append("never either")

    @motet.method()
    async def own(self) -> str:
        return "own"

    @motet.exit()
    def child_exit(self) -> None:
        self.log.append("child exit")


def test_hooks_run_in_order_parents_first_and_snap_before_the_others() -> None:
    instance = instantiate(Child, {})
    for hook in [*hooks(Child, "enter"), *hooks(Child, "exit")]:
        hook(instance)
    assert instance.log == ["child snap", "parent enter", "child enter", "parent exit", "child exit"]


def test_methods_are_inherited() -> None:
    assert methods(Child) == (MethodSpec(name="inherited"), MethodSpec(name="own", is_async=True))


def test_a_raw_method_is_what_the_user_wrote() -> None:
    assert raw_method(Child, "inherited")(instantiate(Child, {})) == "inherited"


def test_on_an_undeclared_class_methods_are_ordinary() -> None:
    assert Parent().inherited() == "inherited"


class Loading:
    @motet.enter(snap=True)
    def load(self) -> None:
        self.loaded = True

    @motet.method()
    def tell(self) -> bool:
        return self.loaded


def test_snap_hooks_need_a_memory_snapshot_as_in_modal() -> None:
    app = motet.App("snaps")
    expected = "A class must have `enable_memory_snapshot=True` to use `snap=True` on its methods"
    with pytest.raises(InvalidError, match=expected):
        app.cls()(Loading)
    app.cls(enable_memory_snapshot=True)(Loading)


@pytest.mark.parametrize("level", ["bubblewrap", "oci"])
def test_memory_snapshot_within_walls_is_refused(level: str) -> None:
    app = motet.App("walled-snaps")
    with pytest.raises(InvalidError, match=f'no effect with isolation="{level}"'):
        app.function(enable_memory_snapshot=True, isolation=level, serialized=True)(lambda: None)  # type: ignore[arg-type]
