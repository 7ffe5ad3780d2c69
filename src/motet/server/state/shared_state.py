"""What clients ask of shared state: dicts, by name or by an id alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from motet.errors import AlreadyExistsError, NotFoundError, PermissionDeniedError, ResourceExhaustedError
from motet.model.shared_state import StateView, checked_state_id, described, name_of, named_id
from motet.server.state.state_keeper import StateKeeper
from motet.store.state import StateObject, StateRows, StateStore
from motet.wire import state_messages as m
from motet.wire.client_messages import ReplyBody

T = TypeVar("T")

MOST_OBJECTS = 10_000
"""With names, or without: of each so many."""
MOST_BYTES_UNNAMED = 1024 * 1024 * 1024
"""Of all that have no name, which are in memory."""


@dataclass(frozen=True, slots=True)
class StateAsker:
    """Who asks: `principal` is whose an object is that it makes; `by` whose named ones it may use, None: anybody's.
    `check_stored` raises if so many bytes more are too many for it."""

    principal: int
    by: int | None
    check_stored: Callable[[int], None] = lambda size: None


class SharedState:
    """One for each server. `open_unnamed`: opens what keeps, in memory, objects without a name; `open_named`: what keeps those
    with one; None: they are in memory, too, and end with the server. `owned`: principals are the same for all servers, so that
    whose an object is counts for the next one, too."""

    def __init__(
        self,
        open_unnamed: Callable[[], StateStore],
        open_named: Callable[[], StateStore] | None,
        wall: Callable[[], float],
        *,
        owned: bool,
    ) -> None:
        self._unnamed = StateKeeper(open_unnamed, in_memory=True)
        self._named = self._unnamed if open_named is None else StateKeeper(open_named)
        self._wall = wall
        self._hold: Callable[[int, int], None] = lambda principal, size: None
        self._owned = owned
        self._is_counted = open_named is None
        self.answers: dict[type[Any], Callable[[Any, StateAsker], Coroutine[Any, Any, ReplyBody]]] = {
            m.GetEntry: self._get,
            m.PutEntries: self._put,
            m.PopEntry: self._pop,
            m.ListEntries: self._list_entries,
            m.ViewDict: self._view,
            m.MakeState: self._make,
            m.RemoveState: self._remove,
            m.ListState: self._list,
        }

    def attached(self, hold: Callable[[int, int], None]) -> SharedState:
        """The same; `hold` is told of bytes more, or fewer, that are kept for a principal."""
        self._hold = hold
        return self

    @property
    def of_operators(self) -> dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]]:
        """Answers for those who look at everything."""
        return {m.ListState: lambda body: self._list(body, StateAsker(0, None))}

    async def close(self) -> None:
        """Carry out what was asked, and end. Idempotent."""
        await self._named.close()
        await self._unnamed.close()

    # --- entries ------------------------------------------------------------------------------------------------------

    async def _get(self, body: m.GetEntry, asker: StateAsker) -> ReplyBody:
        def get(rows: StateRows, found: StateObject) -> bytes | None:
            if body.with_value:
                return rows.get(found.number, body.key)
            return b"" if rows.has(found.number, body.key) else None

        return m.EntryFound(await self._in(body.dict_id, body.create, asker, get))

    async def _put(self, body: m.PutEntries, asker: StateAsker) -> ReplyBody:
        size = sum(len(key) + len(value) for key, value in body.entries)
        asker.check_stored(size)

        def put(rows: StateRows, found: StateObject) -> tuple[int, int, int]:
            if name_of(body.dict_id) is None and sum(rows.sizes().values()) + size > MOST_BYTES_UNNAMED:
                raise ResourceExhaustedError(
                    f"dicts without a name may hold {MOST_BYTES_UNNAMED >> 20} MiB together, which are in the server's memory: "
                    "remove entries, or keep them in one with a name (Dict.from_name)"
                )
            return (*rows.put(found.number, body.entries, body.skip_if_exists), found.principal)

        count, more, principal = await self._in(body.dict_id, body.create, asker, put, size)
        self._hold(principal, more)
        return m.EntriesPut(count)

    async def _pop(self, body: m.PopEntry, asker: StateAsker) -> ReplyBody:
        def pop(rows: StateRows, found: StateObject) -> tuple[bytes | None, int]:
            return rows.pop(found.number, body.key), found.principal

        value, principal = await self._in(body.dict_id, body.create, asker, pop)
        if value is not None:
            self._hold(principal, -len(body.key) - len(value))
        return m.EntryFound(value)

    async def _list_entries(self, body: m.ListEntries, asker: StateAsker) -> ReplyBody:
        def listed(rows: StateRows, found: StateObject) -> tuple[Sequence[tuple[bytes, bytes]], bytes]:
            return rows.page(found.number, body.after, body.with_keys, body.with_values)

        entries, following = await self._in(body.dict_id, body.create, asker, listed)
        return m.EntriesListed(list(entries), following)

    async def _view(self, body: m.ViewDict, asker: StateAsker) -> ReplyBody:
        def view(rows: StateRows, found: StateObject) -> StateObject:
            if body.clear:
                rows.clear(found.number)
            return found

        found = await self._in(body.dict_id, body.create, asker, view)
        if body.clear:
            self._hold(found.principal, -found.size)
        return m.DictViewed(found.entries)

    # --- objects ------------------------------------------------------------------------------------------------------

    async def _make(self, body: m.MakeState, asker: StateAsker) -> ReplyBody:
        state_id = checked_state_id(body.state_id[:2], body.state_id)

        def make(rows: StateRows) -> bool:
            if (found := rows.find(state_id)) is None:
                self._made(rows, state_id, asker)
                return True
            self._check_owner(found, asker)
            if not body.allow_existing:
                raise AlreadyExistsError(f"{described(state_id)} exists already")
            return False

        return m.StateMade(await self._do(state_id, make))

    async def _remove(self, body: m.RemoveState, asker: StateAsker) -> ReplyBody:
        state_id = checked_state_id(body.state_id[:2], body.state_id)

        def remove(rows: StateRows) -> StateObject | None:
            if (found := rows.find(state_id)) is not None:
                self._check_owner(found, asker)
                rows.remove(found)
            elif not body.allow_missing:
                raise _missing(state_id)
            return found

        found = await self._do(state_id, remove)
        if found is not None:
            self._hold(found.principal, -found.size)
        return m.StateMade(found is not None)

    async def _list(self, body: m.ListState, asker: StateAsker) -> ReplyBody:
        prefix = named_id(body.prefix, "x", body.within)[:-1]
        listed = await self._do(prefix, lambda rows: rows.listed(prefix))
        named = [(name_of(each.state_id), each) for each in listed if self._may_use(each, asker)]
        return m.StateListed(
            [StateView(name[1], name[0], it.made_at, it.entries, it.size) for name, it in named if name is not None]
        )

    # --- what they have in common -------------------------------------------------------------------------------------

    async def _in(
        self,
        state_id: str,
        create: bool,
        asker: StateAsker,
        operation: Callable[[StateRows, StateObject], T],
        size: int = 0,
    ) -> T:
        """Carry out an operation in an object, which is made if it is not there and `create` says so."""
        checked_state_id(state_id[:2], state_id)

        def carry_out(rows: StateRows) -> T:
            found = rows.find(state_id)
            if found is not None:
                self._check_owner(found, asker)
            elif create:
                found = self._made(rows, state_id, asker)
            else:
                raise _missing(state_id)
            return operation(rows, found)

        return await self._do(state_id, carry_out, size)

    async def _do(self, state_id: str, operation: Callable[[StateRows], T], size: int = 0) -> T:
        if name_of(state_id) is None:
            return await self._unnamed.do(operation, size)
        if not self._is_counted:
            self._is_counted = True
            for principal, kept in (await self._named.do(lambda rows: rows.sizes())).items():
                self._hold(principal, kept)
        return await self._named.do(operation, size)

    def _made(self, rows: StateRows, state_id: str, asker: StateAsker) -> StateObject:
        if rows.count(state_id[:3]) >= MOST_OBJECTS:
            raise ResourceExhaustedError(
                f"{described(state_id)} cannot be made: {MOST_OBJECTS} are there already; delete those that nobody needs"
            )
        return rows.make(state_id, asker.principal if self._owned else 0, self._wall())

    def _check_owner(self, found: StateObject, asker: StateAsker) -> None:
        if not self._may_use(found, asker):
            raise PermissionDeniedError(
                f"{described(found.state_id)} is another principal's: take another name, or share one without a name "
                "(ephemeral) by passing it on"
            )

    def _may_use(self, found: StateObject, asker: StateAsker) -> bool:
        # Of one without a name, whoever was given its id may use it. A program's own server works for whoever has its home.
        return (
            not self._owned or asker.by is None or found.principal in (0, asker.by) or name_of(found.state_id) is None
        )


class NoSharedState(SharedState):
    """Nobody can ask."""

    def __init__(self) -> None:
        self.answers = {}

    def attached(self, hold: Callable[[int, int], None]) -> SharedState:
        """See `SharedState`."""
        return self

    @property
    def of_operators(self) -> dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]]:
        """See `SharedState`."""
        return {}

    async def close(self) -> None:
        """See `SharedState`."""


NO_STATE = NoSharedState()


def _missing(state_id: str) -> NotFoundError:
    if name_of(state_id) is None:
        return NotFoundError(f"{described(state_id)} is not there: its block has ended, or its server")
    return NotFoundError(
        f"{described(state_id)} not found. Make it with `motet dict create`, or with create_if_missing=True"
    )
