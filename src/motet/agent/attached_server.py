"""The server that a host agent has, as its process: which one it is, and with which term it leads."""

from __future__ import annotations

import os
import signal

from motet.agent.agent_log import say
from motet.backends.channel import Channel
from motet.client.family import process_of
from motet.client.peer_process import PeerProcess
from motet.wire.agent import ToAgent


class AttachedServer:
    """`term`: the one that it leads with, where several servers share a database; 0: it is alone, or does not lead."""

    __slots__ = ("channel", "process", "term")

    def __init__(self, channel: Channel[ToAgent], process: PeerProcess, term: int) -> None:
        self.channel = channel
        self.process = process
        self.term = term

    def is_followed_by(self, process: PeerProcess, term: int) -> bool:
        """Whether a server that attaches with this term may have what this one has. One that stands by keeps its own."""
        return process.pid == self.process.pid or term > self.term > 0

    def end(self, term: int) -> None:
        """It led with an earlier term than this one. If it stands still, its connections are open, and keep containers from
        coming to the next server."""
        process = process_of(self.process.pid)
        if process is not None and process.began == self.process.began:
            say(f"process {self.process.pid} led with term {self.term}, which is over (term {term}): it is ended")
            os.kill(self.process.pid, signal.SIGKILL)
