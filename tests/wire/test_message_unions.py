"""Every message can be decoded by whoever it is for."""

from __future__ import annotations

import typing

from motet.wire.client_messages import ReplyBody, RequestBody, ToClient
from motet.wire.codec import ToServer
from motet.wire.container_messages import ToControl, ToExecutor
from motet.wire.message import Message


def test_every_message_belongs_to_a_direction_or_is_part_of_one_that_does() -> None:
    unions = (ToServer, ToClient, ToExecutor, ToControl, RequestBody, ReplyBody)
    covered = {member for union in unions for member in typing.get_args(union)}
    assert set(Message.__subclasses__()) <= covered
