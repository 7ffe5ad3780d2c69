"""Messages about dicts: requests of clients, then replies. Keys and values are bytes that clients have made of them.

`create`: a dict that is not there yet is made; otherwise that is an error.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from motet.model.limits import MAX_ENTRIES, DictKey, Payload, StateId
from motet.model.shared_state import StateView
from motet.wire.message import Message


class GetEntry(Message, tag="get_entry", frozen=True):
    """The value of a key; without `with_value`, whether there is one. Answered by `EntryFound`."""

    dict_id: StateId
    create: bool
    key: DictKey
    with_value: bool = True


class PutEntries(Message, tag="put_entries", frozen=True):
    """Set values, all or none; with `skip_if_exists`, those of keys that are not there. Answered by `EntriesPut`."""

    dict_id: StateId
    create: bool
    entries: Annotated[list[tuple[DictKey, Payload]], Meta(max_length=MAX_ENTRIES)]
    skip_if_exists: bool = False


class PopEntry(Message, tag="pop_entry", frozen=True):
    """Remove a key. Answered by `EntryFound`, with what was there."""

    dict_id: StateId
    create: bool
    key: DictKey


class ListEntries(Message, tag="list_entries", frozen=True):
    """Some entries that come after `after`, in the order of a hash of their keys. Answered by `EntriesListed`."""

    dict_id: StateId
    create: bool
    after: Annotated[bytes, Meta(max_length=64)] = b""
    with_keys: bool = True
    with_values: bool = True


class ViewDict(Message, tag="view_dict", frozen=True):
    """How many entries a dict has, all of which are removed then with `clear`. Answered by `DictViewed`."""

    dict_id: StateId
    create: bool
    clear: bool = False


class MakeState(Message, tag="make_state", frozen=True):
    """Make a named object, or one without a name; with `allow_existing`, it may be there. Answered by `StateMade`."""

    state_id: StateId
    allow_existing: bool = False


class RemoveState(Message, tag="remove_state", frozen=True):
    """Remove an object with all that it holds; with `allow_missing`, it need not be there. Answered by `StateMade`, which says
    whether it was there."""

    state_id: StateId
    allow_missing: bool = False


class ListState(Message, tag="list_state", frozen=True):
    """The named objects with ids of this `prefix`, `within` an environment. Answered by `StateListed`."""

    prefix: StateId
    within: StateId


class EntryFound(Message, tag="entry_found", frozen=True):
    """`value`: None if the key was not there."""

    value: bytes | None


class EntriesPut(Message, tag="entries_put", frozen=True):
    """How many of the entries were put."""

    count: int


class EntriesListed(Message, tag="entries_listed", frozen=True):
    """`next`: after what to go on; empty if these were the last."""

    entries: list[tuple[bytes, bytes]]
    next: bytes


class DictViewed(Message, tag="dict_viewed", frozen=True):
    length: int


class StateMade(Message, tag="state_made", frozen=True):
    changed: bool


class StateListed(Message, tag="state_listed", frozen=True):
    views: list[StateView]


StateRequest = GetEntry | PutEntries | PopEntry | ListEntries | ViewDict | MakeState | RemoveState | ListState
StateReply = EntryFound | EntriesPut | EntriesListed | DictViewed | StateMade | StateListed
