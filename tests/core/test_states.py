"""Moves that a container's state causes by itself, and the page that draws both tables of states."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from motet.core.containers import CAUSED, DRAINING, FROZEN, READY, STOPPING, TRANSITIONS, Container
from motet.core.inputs import Call, Input
from motet.model.outcome import CallKind

SCRIPT = Path(__file__).parents[2] / "docs" / "make_states.py"


def in_state(state: str, *changes: Callable[[Container], object]) -> Container:
    """One in this state that runs an input, and of which this is true as well."""
    made = Container("ta-1", 0.0, "test")
    item = Input(Call("fc-a", "fu-f", 1, CallKind.ATTACHED, ""), 0, b"", 0.0)
    item.delivered(1, "ta-1", 0.0, 300.0)
    made.hold([item])
    for event in {READY: ["became_ready"], FROZEN: ["became_ready", "froze"], DRAINING: ["became_ready", "drained"]}[
        state
    ]:
        made.move(event, 0.0)
    for change in changes:
        change(made)
    assert made.state == state
    return made


@pytest.mark.parametrize(
    ("container", "event"),
    [
        (in_state(READY), None),
        (in_state(READY, lambda it: it.leave("why")), "drained"),
        (in_state(READY, lambda it: it.freeze(0.0)), "froze"),
        (in_state(READY, lambda it: it.freeze(0.0), lambda it: it.leave("why")), "froze"),
        (in_state(READY, lambda it: it.give_up(1)), None),
        (in_state(FROZEN, lambda it: it.freeze(0.0)), None),
        (in_state(FROZEN, lambda it: it.freeze(0.0), lambda it: it.leave("why")), None),
        (in_state(FROZEN), "thawed"),
        (in_state(DRAINING, lambda it: it.leave("why")), None),
        (in_state(DRAINING, lambda it: it.leave("why"), lambda it: it.lose_all()), "stopped"),
        (in_state(DRAINING, lambda it: it.give_up(1)), None),
        (in_state(DRAINING), "recovered"),
        (in_state(DRAINING, lambda it: it.lose_all()), "recovered"),
        (in_state(DRAINING, lambda it: it.freeze(0.0)), None),
        (in_state(DRAINING, lambda it: it.freeze(0.0), lambda it: it.lose_all()), "stopped"),
    ],
)
def test_what_holds_of_a_container_in_a_state_causes_its_next_move(container: Container, event: str | None) -> None:
    assert container.caused == event


def test_every_move_that_is_caused_is_one_that_the_table_allows() -> None:
    moves = [(state, cause.event) for state, causes in CAUSED.items() for cause in causes]
    assert [move for move in moves if move[1] not in TRANSITIONS[move[0]]] == []
    assert TRANSITIONS[DRAINING]["stopped"] == STOPPING


def test_the_page_shows_the_tables_as_they_are() -> None:
    spec = importlib.util.spec_from_file_location("make_states", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text() == module.page(), "run python docs/make_states.py"
