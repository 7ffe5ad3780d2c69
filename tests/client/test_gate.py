"""A gate: what is raised at it, when, and how often. All on one thread, with the order of events given."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator

import pytest

from motet import shield_cancellation
from motet.client.dual import Steps, run_blocking
from motet.client.gate import Gate, here
from motet.client.waiter import Waiter
from motet.errors import InputCancellation


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    gate.enter()
    yield gate
    here.gate = None


class Asynchronous:
    """Stands in for the interpreter: what was set for a thread, until the test lets it be raised."""

    def __init__(self) -> None:
        self.set: type[BaseException] | None = None

    def __call__(self, thread: int, exception: type[BaseException] | None) -> None:
        assert thread == threading.get_ident()
        self.set = exception

    def land(self) -> None:
        exception, self.set = self.set, None
        if exception is not None:
            raise exception


def test_a_shut_gate_lets_nothing_through(gate: Gate) -> None:
    gate.ask()
    assert not gate.is_due
    gate.deliver()
    assert gate.pending


def test_what_was_asked_before_is_raised_when_the_gate_opens(gate: Gate) -> None:
    gate.ask()
    with pytest.raises(InputCancellation, match="Input was cancelled"):
        gate.open()


def test_an_open_gate_asks_to_be_told_and_raises_once(gate: Gate) -> None:
    gate.open()
    gate.ask()
    assert gate.is_due
    with pytest.raises(InputCancellation):
        gate.deliver()
    gate.deliver()
    gate.shut()
    gate.open()
    assert not gate.pending


def test_a_shield_holds_it_back_to_the_end_of_the_outermost_block(gate: Gate) -> None:
    gate.open()
    went = []

    def work() -> None:
        with shield_cancellation():
            with shield_cancellation():
                gate.ask()
                gate.deliver()
                went.append("inner")
            gate.deliver()
            went.append("outer")

    with pytest.raises(InputCancellation):
        work()
    assert went == ["inner", "outer"]


def test_a_shield_lets_errors_through_and_the_cancellation_comes_with_them_as_context(gate: Gate) -> None:
    def work() -> None:
        with shield_cancellation():
            gate.ask()
            raise ValueError("mine")

    gate.open()
    with pytest.raises(InputCancellation) as caught:
        work()
    assert isinstance(caught.value.__context__, ValueError)
    with pytest.raises(ValueError, match="mine"), shield_cancellation():
        raise ValueError("mine")


def test_a_shield_may_be_used_again_and_has_no_effect_where_no_input_runs() -> None:
    shield = shield_cancellation()
    here.gate = None
    for _ in range(2):
        with shield, shield:
            pass


def test_a_shield_that_is_open_when_the_gate_shuts_still_holds_when_it_opens_again(gate: Gate) -> None:
    gate.open()
    shield = shield_cancellation()
    shield.__enter__()
    gate.shut()
    gate.ask()
    gate.open()
    with pytest.raises(InputCancellation):
        shield.__exit__()


# --- the asynchronous way ---------------------------------------------------------------------------------------------


def test_an_armed_gate_is_told_when_the_exception_is_there_and_raises_no_second_one(gate: Gate) -> None:
    interpreter = Asynchronous()
    gate.open()
    gate.ask()
    gate.arm(interpreter)
    with pytest.raises(InputCancellation, match="Input was cancelled") as caught:
        interpreter.land()
    assert not gate.pending
    gate.deliver()
    gate.shut()
    assert type(pickle.loads(pickle.dumps(caught.value))) is InputCancellation
    assert type(caught.value).__name__ == "InputCancellation"


def test_shutting_takes_back_what_is_not_there_yet(gate: Gate) -> None:
    interpreter = Asynchronous()
    gate.open()
    gate.ask()
    gate.arm(interpreter)
    gate.shut()
    interpreter.land()
    with pytest.raises(InputCancellation):  # as the next step of a generator
        gate.open()


def test_a_shield_takes_it_back_and_raises_at_its_end(gate: Gate) -> None:
    interpreter = Asynchronous()
    gate.open()
    gate.ask()
    gate.arm(interpreter)
    with pytest.raises(InputCancellation), shield_cancellation():
        interpreter.land()
    interpreter.land()


def test_a_gate_that_shut_meanwhile_is_not_armed(gate: Gate) -> None:
    interpreter = Asynchronous()
    gate.open()
    gate.ask()
    gate.shut()
    gate.arm(interpreter)
    interpreter.land()


def test_a_signal_that_comes_first_takes_the_asynchronous_one_back(gate: Gate) -> None:
    interpreter = Asynchronous()
    gate.open()
    gate.ask()
    gate.arm(interpreter)
    with pytest.raises(InputCancellation):
        gate.deliver()
    interpreter.land()


# --- calls made from inside an input ----------------------------------------------------------------------------------


class Interrupted(Waiter[int]):
    """A wait in which a cancellation comes."""

    def wait(self) -> int:
        assert here.gate is not None
        here.gate.ask()
        here.gate.deliver()
        return 1


def test_a_cancellation_gets_into_the_wait_of_a_call_and_the_call_cleans_up_undisturbed(gate: Gate) -> None:
    gate.open()
    seen = []

    def body() -> Steps[None]:
        try:
            yield Interrupted()
        except InputCancellation:
            gate.deliver()
            seen.append("cleaned up")
            raise

    with pytest.raises(InputCancellation):
        run_blocking(body())
    assert seen == ["cleaned up"]


def test_a_cancellation_between_the_waits_of_a_call_is_raised_in_the_next_one(gate: Gate) -> None:
    gate.open()
    seen = []

    def body() -> Steps[None]:
        gate.ask()
        gate.deliver()
        seen.append("sent")
        try:
            yield Waiter()
        except InputCancellation:
            seen.append("cancelled")
            raise

    with pytest.raises(InputCancellation):
        run_blocking(body())
    assert seen == ["sent", "cancelled"]


def test_a_cancellation_after_the_last_wait_of_a_call_is_raised_at_its_end(gate: Gate) -> None:
    gate.open()
    ready: Waiter[int] = Waiter()
    ready.set(5)

    def body() -> Steps[int]:
        value = yield ready
        gate.ask()
        return value  # type: ignore[no-any-return]

    with pytest.raises(InputCancellation):
        run_blocking(body())


def test_within_the_users_shield_the_wait_of_a_call_is_shielded_too(gate: Gate) -> None:
    gate.open()
    ready: Waiter[int] = Waiter()
    ready.set(5)

    def body() -> Steps[int]:
        gate.ask()
        return (yield ready)  # type: ignore[no-any-return]

    results = []
    with pytest.raises(InputCancellation), shield_cancellation():
        results.append(run_blocking(body()))
    assert results == [5]
