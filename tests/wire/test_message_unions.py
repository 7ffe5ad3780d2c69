"""Every message can be decoded by whoever it is for."""

from __future__ import annotations

import typing

from motet.wire import messages as m


def test_every_message_belongs_to_a_direction_or_is_part_of_one_that_does() -> None:
    unions = (m.ToServer, m.ToClient, m.ToExecutor, m.ToControl, m.RequestBody, m.ReplyBody)
    covered = {member for union in unions for member in typing.get_args(union)}
    assert set(m.Message.__subclasses__()) <= covered
