"""`motet.Dict` on a server in the same process, on virtual time."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import motet
from motet.errors import (
    AlreadyExistsError,
    ExecutionError,
    InvalidError,
    NotFoundError,
    RequestSizeError,
    ResourceExhaustedError,
    SerializationError,
)
from motet.model.limits import MAX_KEY_BYTES, MAX_PAYLOAD_BYTES
from motet.server.state import shared_state
from motet.testing import world
from motet.testing.world import World

app = motet.App("dicts")


@app.function(serialized=True)
def change(shared: motet.Dict, key: str) -> Any:
    shared[key] = shared.get(key, 0) + 1
    return shared


@app.function(serialized=True)
def take(shared: motet.Dict, key: str) -> bool:
    return shared.put(key, "taken", skip_if_exists=True)


@pytest.fixture
def here() -> Iterator[World]:
    with world() as here, app.run():
        yield here


@pytest.fixture
def shared(here: World) -> Iterator[motet.Dict]:
    with motet.Dict.ephemeral() as shared:
        yield shared


def test_entries_are_put_read_and_removed(shared: motet.Dict) -> None:
    assert shared.get("a") is None
    assert shared.get("a", 5) == 5
    assert shared.put("a", {"deep": [1, 2]})
    shared["b", 1] = None
    assert (shared["a"], shared["b", 1], shared.get(("b", 1), 5)) == ({"deep": [1, 2]}, None, None)
    assert ("a" in shared, shared.contains("c"), shared.len()) == (True, False, 2)
    assert (shared.pop("a"), shared.pop("a", 7)) == ({"deep": [1, 2]}, 7)
    del shared["b", 1]
    assert shared.len() == 0


def test_a_key_without_a_value_is_a_key_error_that_names_the_dict(shared: motet.Dict) -> None:
    said = f"'nope' not in dict {shared.object_id}"
    for ask in (shared.__getitem__, shared.__delitem__, shared.pop):
        with pytest.raises(KeyError) as raised:
            ask("nope")
        assert raised.value.args == (said,)


def test_keys_compare_by_their_bytes(shared: motet.Dict) -> None:
    shared[1] = "int"
    assert (1.0 in shared, True in shared, shared.get(1)) == (False, False, "int")


def test_update_takes_what_dicts_take(shared: motet.Dict) -> None:
    shared.update({"a": 1}, b=2)
    shared.update([("c", 3)])
    shared.update()
    assert dict(shared.items()) == {"a": 1, "b": 2, "c": 3}
    assert (sorted(shared.keys()), sorted(shared.values())) == (["a", "b", "c"], [1, 2, 3])
    shared.clear()
    assert list(shared.items()) == []


def test_more_entries_than_a_page_has_are_listed_once_each(shared: motet.Dict) -> None:
    shared.update({index: -index for index in range(2500)})
    assert dict(shared.items()) == {index: -index for index in range(2500)}


def test_a_dict_is_not_iterated_over_by_numbers(shared: motet.Dict) -> None:
    with pytest.raises(TypeError, match="not iterable"):
        list(shared)  # type: ignore[call-overload]


def test_handles_travel_to_containers_and_back(shared: motet.Dict) -> None:
    returned = change.remote(shared, "count")
    assert (returned.object_id, returned["count"], shared["count"]) == (shared.object_id, 1, 1)
    assert pickle.loads(pickle.dumps(shared)).get("count") == 1


def test_of_many_who_skip_what_exists_one_puts_it(shared: motet.Dict) -> None:
    assert sum(take.map([shared] * 50, [f"key{index % 5}" for index in range(50)])) == 5


def test_what_has_no_name_is_gone_after_its_block(here: World) -> None:
    with motet.Dict.ephemeral() as shared:
        shared["a"] = 1
        left = motet.Dict.from_id(shared.object_id)
        assert left["a"] == 1
    with pytest.raises(NotFoundError, match=f"Dict {left.object_id} is not there: its block has ended"):
        left.get("a")


def test_a_name_that_is_not_there_is_said(here: World) -> None:
    with pytest.raises(NotFoundError, match=r"Dict 'none' in environment 'main' not found.*create_if_missing=True"):
        motet.Dict.from_name("none")["a"] = 1
    with pytest.raises(NotFoundError, match="Dict 'none' in environment 'dev'"):
        motet.Dict.lookup("none", environment_name="dev")
    with pytest.raises(NotFoundError):
        motet.Dict.from_name("none").hydrate()


def test_names_are_made_listed_and_deleted_and_environments_keep_them_apart(here: World) -> None:
    first = motet.Dict.from_name("first", create_if_missing=True)
    first["a"] = 1
    motet.Dict.objects.create("second", environment_name="dev")
    with pytest.raises(AlreadyExistsError, match="Dict 'second' in environment 'dev' exists already"):
        motet.Dict.objects.create("second", environment_name="dev")
    motet.Dict.objects.create("second", environment_name="dev", allow_existing=True)
    assert motet.Dict.lookup("third", {"seed": 1}, create_if_missing=True)["seed"] == 1
    assert motet.Dict.lookup("third", {"seed": 2}, create_if_missing=True)["seed"] == 1
    assert {each.name for each in motet.Dict.objects.list()} == {"first", "third"}
    (only,) = motet.Dict.objects.list(environment_name="dev")
    assert (only.object_id, only.info().name) == ("di-env-dev/second", "second")
    assert motet.Dict.from_name("first", environment_name="main").hydrate()["a"] == 1
    motet.Dict.objects.delete("first")
    motet.Dict.objects.delete("first", allow_missing=True)
    with pytest.raises(NotFoundError):
        motet.Dict.delete("first")
    assert "a" not in first


def test_names_that_nothing_can_have_are_refused_at_once() -> None:
    for name in ("", "a b", "x" * 65, "a/b", "ap-0123456789012345678901", 5):
        with pytest.raises(InvalidError, match=r"Invalid Dict name: .*Names may contain only alphanumeric"):
            motet.Dict.from_name(name)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="Invalid Environment name: 'a/b'"):
        motet.Dict.from_name("a", environment_name="a/b")


def test_ids_that_are_none_are_refused(here: World) -> None:
    for strange in ("di-name-a b", "di-env-/x", "qu-name-a", "di-", "x"):
        with pytest.raises(InvalidError, match=r"is no id of|Invalid (Dict|Environment) name"):
            motet.Dict.from_id(strange).get("a")


def test_what_is_too_large_is_refused_and_nothing_has_changed(shared: motet.Dict) -> None:
    with pytest.raises(RequestSizeError, match=r"100\.0 MiB when pickled"):
        shared.update({"a": 1, "b": bytes(MAX_PAYLOAD_BYTES - 20)})
    with pytest.raises(RequestSizeError, match=r"a dict's value: 100\.0 MiB when pickled"):
        shared["a"] = bytes(MAX_PAYLOAD_BYTES + 1)
    with pytest.raises(RequestSizeError, match="10001 entries, and 10000 may be set together"):
        shared.update(dict.fromkeys(range(10_001)))
    with pytest.raises(RequestSizeError, match="a dict's key may be 256 KiB"):
        shared["x" * MAX_KEY_BYTES] = 1
    with pytest.raises(SerializationError, match="a dict's value"):
        shared.update({"a": 1, "b": (each for each in ())})
    assert shared.len() == 0


def test_memory_is_bounded(shared: motet.Dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_state, "MOST_BYTES_UNNAMED", 1000)
    monkeypatch.setattr(shared_state, "MOST_OBJECTS", 2)
    shared["a"] = bytes(500)
    with pytest.raises(ResourceExhaustedError, match="dicts without a name may hold 0 MiB together"):
        shared["b"] = bytes(500)
    motet.Dict.objects.create("second")
    with pytest.raises(ResourceExhaustedError, match="'third' in environment 'main' cannot be made: 2 are there"):
        motet.Dict.objects.create("third")


def test_the_same_from_async_code(here: World) -> None:
    async def use() -> Any:
        async with motet.Dict.ephemeral() as shared:
            assert await shared.put.aio("a", 1)
            await shared.update.aio({"b": 2})
            assert await shared.contains.aio("b")
            found = {key: value async for key, value in shared.items.aio()}
            return found, await shared.pop.aio("a"), await shared.len.aio(), [each async for each in shared.keys.aio()]

    assert here.run(use()) == ({"a": 1, "b": 2}, 1, 1, ["b"])


def test_without_a_server_it_is_said_what_there_must_be(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTET_HOME", str(tmp_path))
    monkeypatch.delenv("MOTET_SERVER", raising=False)
    with pytest.raises(ExecutionError, match="Dict 'a' in environment 'main' was asked for, but no app is running"):
        motet.Dict.from_name("a").get(1)
    with motet.Dict.ephemeral():
        pass  # which asks nobody
