"""What keeps a conversation together while the connections under it change.

Both ends count the messages of a conversation, from 1, over all its connections, and keep what they have said until the
other end has taken it in. When a connection breaks, the client opens another one and says in its hello which conversation
it takes up, and how many of the server's messages it has; the server answers how many it has of the client's. Then each says
again what the other lacks. Messages that are in `NOT_COUNTED` are about the conversation, and no part of it.
"""

from __future__ import annotations

from motet.model.limits import Index
from motet.wire.hello import Agreed, Hello, Refused
from motet.wire.message import Message


class OutcomesTaken(Message, tag="outcomes_taken", frozen=True):
    """The client has as many outcomes as this, of all that came in this conversation: nobody need keep them for it. Only who
    has said in its hello that it confirms sends this."""

    count: Index


class Taken(Message, tag="taken", frozen=True):
    """So many messages of the other end's are here. It goes both ways, and is also what is said when there is nothing else to
    say for the time of a heartbeat."""

    count: Index


class Goodbye(Message, tag="goodbye", frozen=True):
    """The client leaves, and takes nothing up again: what only it wanted ends now."""


NOT_COUNTED = (Taken, OutcomesTaken, Goodbye, Hello, Agreed, Refused)
