"""Spawning under a key: said twice it is the same call, and with other arguments it is an error."""

from __future__ import annotations

import pytest

import motet
from motet.exception import AlreadyExistsError, InvalidError

app = motet.App("keyed")


@app.function(serialized=True)
def double(value: int) -> int:
    return 2 * value


@app.function(serialized=True)
def triple(value: int) -> int:
    return 3 * value


def test_it_is_the_same_call_once_more() -> None:
    with app.run():
        first = double.with_key("order-17").spawn(4)
        again = double.with_key("order-17").spawn(4)
        other = double.with_key("order-18").spawn(4)
        of_another = triple.with_key("order-17").spawn(4)
        assert first.object_id == again.object_id
        assert len({first.object_id, other.object_id, of_another.object_id}) == 3
        assert [it.get() for it in (first, again, other, of_another)] == [8, 8, 8, 12]
        with pytest.raises(AlreadyExistsError, match=rf"'order-17' was used for {first.object_id}"):
            double.with_key("order-17").spawn(5)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", 17])
def test_a_key_is_short_text(key: object) -> None:
    with pytest.raises(InvalidError, match="a key is printable text of 1 to 255 characters"):
        double.with_key(key)  # type: ignore[arg-type]


def test_it_says_what_it_is() -> None:
    assert repr(double.with_key("order-17")).endswith(".with_key('order-17')")


def test_a_key_that_is_too_long_is_not_shown_whole() -> None:
    with pytest.raises(InvalidError, match=r"not 'x{59}, which are 5,000$"):
        double.with_key("x" * 5000)


@pytest.mark.parametrize("way", ["remote", "map", "spawn_map"])
def test_with_a_key_calls_are_spawned_and_nothing_else(way: str) -> None:
    with pytest.raises(AttributeError, match=rf"has no '{way}': a key is for a call that is spawned. Use \.spawn"):
        getattr(double.with_key("order-17"), way)
