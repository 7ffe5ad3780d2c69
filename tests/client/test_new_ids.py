"""Ids are given once, whoever asks at the same time."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

from motet.client.new_ids import new_app_id, new_call_id, new_queue_id


def test_no_id_is_given_twice_when_another_is_made_between_any_two_steps_of_its_making() -> None:
    ids: list[str] = []

    def interrupt(frame: FrameType, event: str, _: Any) -> Any:
        """As another thread or a signal handler would, between any two bytecodes."""
        frame.f_trace_opcodes = True
        if event == "opcode":
            ids.append(new_call_id())
        return interrupt

    usual = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 traces opcodes only if a frame wants it by now
    sys.settrace(interrupt)
    try:
        ids.append(new_call_id())
    finally:
        sys.settrace(usual)
    assert len(ids) > 20
    assert len(set(ids)) == len(ids)


def test_a_forked_process_counts_from_a_number_of_its_own() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_call_id().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    ours = [new_call_id() for _ in range(10)]
    assert theirs.startswith("fc-")
    assert theirs[13:] not in [each[13:] for each in ours]


def test_ids_are_26_characters_after_a_prefix_that_says_of_what() -> None:
    made = (new_call_id(), new_app_id(), new_queue_id())
    assert [(each[:3], len(each)) for each in made] == [("fc-", 29), ("ap-", 29), ("qu-", 29)]
