"""`motet.Dict`: a dict that programs and functions in different containers share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple

from motet.client.dual import (
    Dual,
    HandOut,
    ItemSteps,
    Steps,
    dual,
    dual_items,
    run_async,
    run_blocking,
    warn_if_loop_is_blocked,
)
from motet.client.new_ids import new_dict_id
from motet.errors import ConnectionError, ExecutionError, InvalidError, RequestSizeError
from motet.model.limits import MAX_ENTRIES, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES
from motet.model.shared_state import name_of, named_id
from motet.sdk.call.handle import Handle
from motet.sdk.call.hydration import HydratedById
from motet.sdk.call.shared import listed, make, on, remove
from motet.wire import payload
from motet.wire.by_value import ByValue
from motet.wire.state_messages import GetEntry, ListEntries, PopEntry, PutEntries, ViewDict

_MISSING: Any = object()


class DictInfo(NamedTuple):
    """`created_at`: when it was made; `created_by`: nothing is said of that."""

    name: str
    created_at: datetime
    created_by: str | None = None


class DictManager:
    """`Dict.objects`: makes, lists and removes dicts by name."""

    @dual
    def create(
        self, name: str, *, allow_existing: bool = False, environment_name: str | None = None, client: object = None
    ) -> Steps[None]:
        """Make a dict. Raises `AlreadyExistsError` if it is there, unless that is allowed."""
        yield from make(named_id("di", name, environment_name), allow_existing)

    @dual
    def list(
        self,
        *,
        max_objects: int | None = None,
        created_before: datetime | str | None = None,
        environment_name: str = "",
        client: object = None,
    ) -> Steps[list[Dict]]:
        """The dicts of an environment, by when they were made, the latest first."""
        if max_objects is not None and max_objects < 0:
            raise InvalidError("max_objects cannot be negative")
        before = datetime.fromisoformat(created_before) if isinstance(created_before, str) else created_before
        views = yield from listed("di", environment_name)
        views.sort(key=lambda view: view.made_at, reverse=True)
        if before is not None:
            views = [view for view in views if view.made_at < before.timestamp()]
        return [Dict(named_id("di", view.name, view.within)) for view in views[:max_objects]]

    @dual
    def delete(
        self, name: str, *, allow_missing: bool = False, environment_name: str | None = None, client: object = None
    ) -> Steps[None]:
        """Remove a dict with all its entries. Raises `NotFoundError` if it is not there, unless that is allowed."""
        yield from remove(named_id("di", name, environment_name), allow_missing)


class Dict(Handle, HydratedById):
    """Keys and values that any number of programs and containers read and change.

    Handles are values: pass one to a function, or name it with `from_name` on both sides. Each method is one step that happens
    whole or not at all, whoever else does what. Keys are equal if their pickled bytes are. A dict with a name is kept until it
    is deleted; one of `ephemeral()` is in the server's memory until its block ends.
    """

    objects = DictManager()
    lookup: Dual[..., Dict]
    """`lookup(name, data=None, *, environment_name=None, create_if_missing=False)`: as `from_name`, and asks immediately
    whether it is there; a new one begins with `data`."""
    delete: Dual[..., None]
    """`delete(name, *, environment_name=None)`: as `Dict.objects.delete`."""

    def __init__(self, dict_id: str, *, create: bool = False) -> None:
        self._dict_id = dict_id
        self._create = create

    @staticmethod
    def from_name(
        name: str, *, environment_name: str | None = None, create_if_missing: bool = False, client: object = None
    ) -> Dict:
        """The dict of this name. Nothing is asked before it is used. It must be there then, or `create_if_missing` be set:
        `NotFoundError` otherwise."""
        return Dict(named_id("di", name, environment_name), create=create_if_missing)

    @staticmethod
    def from_id(dict_id: str, client: object = None) -> Dict:
        """The dict of this id: what `object_id` says."""
        return Dict(dict_id)

    @staticmethod
    def ephemeral(client: object = None, environment_name: str | None = None) -> EphemeralDict:
        """`with motet.Dict.ephemeral() as d:`: a new dict, gone at the end of the block. Also `async with`."""
        return EphemeralDict()

    @property
    def object_id(self) -> str:
        """`di-...`"""
        return self._dict_id

    @property
    def name(self) -> str | None:
        """The name that it was asked for by, if it has one."""
        named = name_of(self._dict_id)
        return named and named[1]

    @dual
    def hydrate(self, client: object = None) -> Steps[Dict]:
        """This handle, once it is known that the dict is there. Raises `NotFoundError`."""
        yield from self._hydrated()
        return self

    def _hydrated(self) -> Steps[None]:
        yield from self._asked(ViewDict(self._dict_id, self._create))

    @dual
    def info(self) -> Steps[DictInfo]:
        """Its name, and when it was made. Raises `NotFoundError` if it is not there, or has no name."""
        named = name_of(self._dict_id)
        if named is None:
            raise InvalidError(f"{self!r} has no name, and so nothing is known of it but what it holds")
        yield from self._hydrated()
        (view,) = [each for each in (yield from listed("di", named[0])) if each.name == named[1]]
        return DictInfo(view.name, datetime.fromtimestamp(view.made_at, UTC))

    # --- one entry ----------------------------------------------------------------------------------------------------

    @dual
    def get(self, key: Any, default: Any = None) -> Steps[Any]:
        """The value of a key, or `default` if it has none."""
        return (yield from self._got(key, default))

    def _got(self, key: Any, default: Any) -> Steps[Any]:
        connection, by_value = yield from on(self._dict_id)
        request = GetEntry(self._dict_id, self._create, _key(key, by_value))
        reply = yield from connection.request(request)
        return default if reply.value is None else _loaded(reply.value)

    @dual
    def contains(self, key: Any) -> Steps[bool]:
        """Whether a key has a value."""
        return (yield from self._has(key))

    def _has(self, key: Any) -> Steps[bool]:
        connection, by_value = yield from on(self._dict_id)
        request = GetEntry(self._dict_id, self._create, _key(key, by_value), with_value=False)
        reply = yield from connection.request(request)
        return reply.value is not None

    @dual
    def put(self, key: Any, value: Any, *, skip_if_exists: bool = False) -> Steps[bool]:
        """Set the value of a key. With `skip_if_exists`, only if it has none; of many who try, one does so. Whether it was set.

        Raises `RequestSizeError` for a value of more than 100 MiB, or a key of more than 256 KiB, when pickled.
        """
        return (yield from self._put_all([(key, value)], skip_if_exists)) == 1

    @dual
    def pop(self, key: Any, default: Any = _MISSING) -> Steps[Any]:
        """Remove a key; its value, or `default` if it has none. Raises `KeyError` if none is given."""
        return (yield from self._popped(key, default))

    def _popped(self, key: Any, default: Any) -> Steps[Any]:
        connection, by_value = yield from on(self._dict_id)
        reply = yield from connection.request(PopEntry(self._dict_id, self._create, _key(key, by_value)))
        if reply.value is not None:
            return _loaded(reply.value)
        if default is _MISSING:
            raise self._no(key)
        return default

    # --- many ---------------------------------------------------------------------------------------------------------

    @dual
    def update(self, other: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (), /, **kwargs: Any) -> Steps[None]:
        """Set several values, all or none: 10,000 at most, and 100 MiB together. Raises `RequestSizeError` for more."""
        items = other.items() if isinstance(other, Mapping) else other
        yield from self._put_all([*items, *kwargs.items()], False)

    def _put_all(self, items: Iterable[tuple[Any, Any]], skip_if_exists: bool) -> Steps[int]:
        connection, by_value = yield from on(self._dict_id)
        entries = [(_key(key, by_value), payload.dumps(value, "a dict's value", by_value)) for key, value in items]
        if len(entries) > MAX_ENTRIES:
            raise RequestSizeError(
                f"Dict.update request is too large: {len(entries)} entries, and {MAX_ENTRIES} may be set together"
            )
        if (size := sum(len(key) + len(value) for key, value in entries)) > MAX_PAYLOAD_BYTES:
            raise RequestSizeError(
                f"Dict.update request is too large: {size / 2**20:.1f} MiB when pickled, and {MAX_PAYLOAD_BYTES >> 20} MiB may "
                "be set together"
            )
        reply = yield from connection.request(PutEntries(self._dict_id, self._create, entries, skip_if_exists))
        return int(reply.count)

    @dual
    def len(self) -> Steps[int]:
        """How many keys have values."""
        return (yield from self._asked(ViewDict(self._dict_id, self._create))).length  # type: ignore[no-any-return]

    @dual
    def clear(self) -> Steps[None]:
        """Remove all entries."""
        yield from self._asked(ViewDict(self._dict_id, self._create, clear=True))

    @dual_items
    def keys(self) -> ItemSteps[Any]:
        """The keys, in no order. What others change meanwhile may be among them or not; no key comes twice."""
        yield from self._entries((True, False), lambda key, value: _loaded_key(key))

    @dual_items
    def values(self) -> ItemSteps[Any]:
        """The values, as `keys`."""
        yield from self._entries((False, True), lambda key, value: _loaded(value))

    @dual_items
    def items(self) -> ItemSteps[tuple[Any, Any]]:
        """Pairs of a key and its value, as `keys`."""
        yield from self._entries((True, True), lambda key, value: (_loaded_key(key), _loaded(value)))

    def _entries(self, wanted: tuple[bool, bool], made: Callable[[bytes, bytes], Any]) -> ItemSteps[Any]:
        after = b""
        while True:
            reply = yield from self._asked(ListEntries(self._dict_id, self._create, after, *wanted))
            # Lazily: whoever stops in the middle needs nothing of what comes after it.
            yield HandOut(made(key, value) for key, value in reply.entries)
            after = reply.next
            if not after:
                return

    # --- as other dicts -----------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        """The value of a key. Raises `KeyError`. In async code, use `get.aio`."""
        warn_if_loop_is_blocked("Dict.get")
        found = run_blocking(self._got(key, _MISSING))
        if found is _MISSING:
            raise self._no(key)
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set the value of a key. In async code, use `put.aio`."""
        warn_if_loop_is_blocked("Dict.put")
        run_blocking(self._put_all([(key, value)], False))

    def __delitem__(self, key: Any) -> None:
        """Remove a key. Raises `KeyError`. In async code, use `pop.aio`."""
        warn_if_loop_is_blocked("Dict.pop")
        run_blocking(self._popped(key, _MISSING))

    def __contains__(self, key: Any) -> bool:
        """Whether a key has a value. In async code, use `contains.aio`."""
        warn_if_loop_is_blocked("Dict.contains")
        return run_blocking(self._has(key))

    __iter__ = None  # otherwise it would ask for the keys 0, 1, 2 and so on

    def _no(self, key: Any) -> KeyError:
        return KeyError(f"{key!r} not in dict {self._dict_id}")

    def _asked(self, request: ViewDict | ListEntries) -> Steps[Any]:
        connection, _ = yield from on(self._dict_id)
        return (yield from connection.request(request))

    def __repr__(self) -> str:
        return f"Dict({self._dict_id!r})"


def _looked_up(
    name: str,
    data: Mapping[Any, Any] | None = None,
    *,
    environment_name: str | None = None,
    create_if_missing: bool = False,
    client: object = None,
) -> Steps[Dict]:
    found = Dict.from_name(name, environment_name=environment_name, create_if_missing=create_if_missing)
    is_new = create_if_missing and (yield from make(found.object_id, True))
    if is_new and data:
        yield from found._put_all(data.items(), False)
    yield from found._hydrated()
    return found


def _deleted(name: str, *, environment_name: str | None = None, client: object = None) -> Steps[None]:
    yield from remove(named_id("di", name, environment_name), False)


Dict.lookup = Dual(_looked_up, "Dict.lookup")
Dict.delete = Dual(_deleted, "Dict.delete")


def _key(key: Any, by_value: ByValue) -> bytes:
    data = payload.dumps(key, "a dict's key", by_value)
    if len(data) > MAX_KEY_BYTES:
        raise RequestSizeError(
            f"a dict's key may be {MAX_KEY_BYTES >> 10} KiB when pickled; this one is {len(data) / 1024:.1f} KiB"
        )
    return data


def _loaded_key(data: bytes) -> Any:
    return payload.loads(data, "a dict's key")


def _loaded(data: bytes) -> Any:
    return payload.loads(data, "a dict's value")


class EphemeralDict:
    """The context manager that `Dict.ephemeral()` gives."""

    def __init__(self) -> None:
        self._dict = Dict(new_dict_id(), create=True)
        self._process = os.getpid()

    def __enter__(self) -> Dict:
        return self._dict

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        run_blocking(self._removed())

    async def __aenter__(self) -> Dict:
        return self._dict

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await run_async(self._removed())

    def _removed(self) -> Steps[None]:
        if self._process != os.getpid():
            return  # a forked process leaves the block, too: the dict is its parent's
        # Where no app runs any more, nothing is left of the dict; that is no news to a program that has its own error.
        with contextlib.suppress(ExecutionError, ConnectionError):
            yield from remove(self._dict.object_id, True)
