"""Who is let in, and as whom."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from motet.errors import ConnectionError, InvalidError
from motet.server.access import door
from motet.server.access.door import HomeDoor, OwnDoor, Principal
from motet.client.family import descends_from
from motet.client.peer_process import PeerProcess
from motet.server.access.rights import CALL, EVERYTHING, LOOK, OPERATE
from motet.server.access.tokens import OPERATOR, Tokens
from tests.server.access.test_tokens import Kept

ME = PeerProcess(os.getpid(), os.geteuid())


def test_a_servers_own_token_opens_its_door() -> None:
    own = OwnDoor()
    assert own.admit(own.token, None) == Principal(OPERATOR, EVERYTHING)
    for token in ("", own.token[:-1], own.token + "0", "ü"):
        with pytest.raises(ConnectionError, match="not an operator"):
            own.admit(token, ME)


def test_the_user_is_let_in_by_the_home_socket_unless_the_process_is_of_a_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = HomeDoor(Tokens(Kept(), lambda: 0.0))
    assert home.token == ""
    parent = PeerProcess(os.getppid(), os.geteuid())
    assert home.admit("", parent) == Principal(OPERATOR, EVERYTHING)
    with pytest.raises(ConnectionError, match="a token is needed here"):
        home.admit("", None)
    with pytest.raises(ConnectionError, match=r"user 4711 needs a token"):
        home.admit("", PeerProcess(os.getppid(), 4711))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(ConnectionError, match="belongs to a container of this server"):
            home.admit("", PeerProcess(child.pid, os.geteuid()))
    finally:
        child.communicate(b"\n")
    monkeypatch.setattr(door, "descends_from", lambda pid, ancestor: False)
    assert home.admit("", ME).name == OPERATOR


def test_a_token_lets_in_wherever_one_comes_from_with_its_rights_and_until_it_expires() -> None:
    now = 100.0
    tokens = Tokens(Kept(), lambda: now)
    home = HomeDoor(tokens)
    calls, operates = tokens.new("ci", ("call",)), tokens.new("ops", ("operate",), 60.0)
    stranger = PeerProcess(os.getpid(), 4711)
    assert home.admit(calls, None) == home.admit(calls, stranger) == Principal("ci", CALL)
    assert home.admit(operates, None) == Principal("ops", OPERATE | LOOK, 160.0)
    now = 160.0
    tokens.revoke("ci")
    for token in (calls, operates, "motet_", "ü"):
        with pytest.raises(ConnectionError, match="was revoked, has expired or never was"):
            home.admit(token, PeerProcess(os.getppid(), os.geteuid()))


def test_a_server_inside_a_program_has_no_tokens() -> None:
    with pytest.raises(InvalidError, match="`motet server` is one that has"):
        OwnDoor().tokens  # noqa: B018


def test_a_process_that_has_ended_may_have_been_anybodys() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert descends_from(child.pid, os.getpid())
    assert descends_from(os.getpid(), os.getpid())
    assert descends_from(os.getpid(), os.getppid())
    assert not descends_from(os.getppid(), os.getpid())


def test_a_process_that_the_server_cannot_see_may_be_anybodys() -> None:
    assert descends_from(0, os.getpid())
    assert not descends_from(1, os.getpid())
