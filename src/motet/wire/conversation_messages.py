"""What keeps a conversation together while the connections under it change.

Both ends count the messages of a conversation, from 1, over all its connections, and keep what they have said until the
other end has taken it in. When a connection breaks, the client opens another one and says in its hello which conversation
it takes up, and how many of the server's messages it has; the server answers how many it has of the client's. Then each says
again what the other lacks. Messages that are in `NOT_COUNTED` are about the conversation, and no part of it.
"""

from __future__ import annotations

import msgspec

from motet.model.limits import Index, Name
from motet.wire.hello import Agreed, Hello, Refused
from motet.wire.message import Message


class OutcomesTaken(Message, tag="outcomes_taken", frozen=True):
    """The client has as many outcomes as this, of all that came in this conversation: nobody need keep them for it. Only who
    has said in its hello that it confirms sends this."""

    count: Index


class LeadTold(msgspec.Struct, array_like=True, frozen=True):
    """What a server that leads, and shares its database with others, tells its clients of that. `in_doubt`: it has not been
    able to say for the time of its lease that it still leads, so another one may: who knows others asks them. `others`: where
    clients reach those that stand by, and the fingerprints of their keys."""

    in_doubt: bool = False
    others: tuple[tuple[Name, Name], ...] = ()


class Taken(Message, tag="taken", frozen=True):
    """So many messages of the other end's are here. It goes both ways, and is also what is said when there is nothing else to
    say for the time of a heartbeat. `lead`: from a server, when that has changed; None: it is as it was."""

    count: Index
    lead: LeadTold | None = None


class Goodbye(Message, tag="goodbye", frozen=True):
    """The client leaves, and takes nothing up again: what only it wanted ends now."""


NOT_COUNTED = (Taken, OutcomesTaken, Goodbye, Hello, Agreed, Refused)
