"""Who is let in, and as whom."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from motet.client.peer_process import PeerProcess, descends_from
from motet.errors import ConnectionError, InvalidError
from motet.server.access import door
from motet.server.access.door import HomeDoor, OwnDoor, Principal
from motet.server.access.rights import CALL, EVERYTHING, LOOK, OPERATE
from motet.server.access.tokens import OPERATOR, Tokens
from tests.server.access.test_tokens import Kept

ME = PeerProcess.of(os.getpid(), os.geteuid())
PARENT = PeerProcess.of(os.getppid(), os.geteuid())


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
    assert home.admit("", PARENT) == Principal(OPERATOR, EVERYTHING)
    with pytest.raises(ConnectionError, match="a token is needed here"):
        home.admit("", None)
    with pytest.raises(ConnectionError, match=r"user 4711 needs a token"):
        home.admit("", PeerProcess.of(os.getppid(), 4711))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(ConnectionError, match="belongs to a container"):
            home.admit("", PeerProcess.of(child.pid, os.geteuid()))
    finally:
        child.communicate(b"\n")
    monkeypatch.setattr(door, "descends_from", lambda peer, ancestor: False)
    assert home.admit("", ME).name == OPERATOR


def test_a_token_lets_in_wherever_one_comes_from_with_its_rights_and_until_it_expires() -> None:
    now = 100.0
    tokens = Tokens(Kept(), lambda: now)
    home = HomeDoor(tokens)
    calls, operates = tokens.new("ci", ("call",)), tokens.new("ops", ("operate",), 60.0)
    stranger = PeerProcess.of(os.getpid(), 4711)
    (first, second) = tokens.all()
    assert home.admit(calls, None) == home.admit(calls, stranger) == Principal("ci", CALL, key=first.principal)
    assert home.admit(operates, None) == Principal("ops", OPERATE | LOOK, 160.0, key=second.principal)
    now = 160.0
    tokens.revoke("ci")
    for token in (calls, operates, "motet_", "ü"):
        with pytest.raises(ConnectionError, match="was revoked, has expired or never was"):
            home.admit(token, PARENT)


def test_a_token_made_anew_under_the_name_of_one_that_was_revoked_speaks_for_somebody_else() -> None:
    tokens = Tokens(Kept(), lambda: 0.0)
    home = HomeDoor(tokens)
    before = home.admit(tokens.new("ci", ("call",)), None)
    tokens.revoke("ci")
    after = home.admit(tokens.new("ci", ("call",)), None)
    assert before.name == after.name
    assert before.identity != after.identity


def test_a_process_that_outlived_its_container_and_server_is_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """It descends from nobody who could be asked; here from whoever runs the tests, as the user's own programs do."""
    home = HomeDoor(Tokens(Kept(), lambda: 0.0))
    monkeypatch.setattr(door, "descends_from", lambda peer, ancestor: False)
    env = {**os.environ, "MOTET_CONTAINER_ID": "ta-1"}
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1, env=env)
    try:
        assert child.stdout is not None
        child.stdout.readline()  # it has its environment
        with pytest.raises(ConnectionError, match="belongs to a container"):
            home.admit("", PeerProcess.of(child.pid, os.geteuid()))
    finally:
        child.communicate(b"\n")


def test_a_server_inside_a_program_has_no_tokens() -> None:
    with pytest.raises(InvalidError, match="`motet server` is one that has"):
        OwnDoor().tokens  # noqa: B018


def test_a_process_that_has_ended_may_have_been_anybodys() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    lived = PeerProcess.of(child.pid, os.geteuid())
    child.wait()
    assert lived.began is not None
    assert descends_from(lived, os.getpid())
    assert descends_from(PeerProcess.of(child.pid, os.geteuid()), os.getpid())
    assert descends_from(ME, os.getpid())
    assert descends_from(ME, os.getppid())
    assert not descends_from(PARENT, os.getpid())


def test_a_number_that_another_process_has_by_now_is_not_taken_for_that_one() -> None:
    assert PARENT.began is not None
    assert descends_from(dataclasses.replace(PARENT, began=PARENT.began - 1), os.getpid())


def test_a_process_that_the_server_cannot_see_may_be_anybodys() -> None:
    assert descends_from(PeerProcess.of(0, 0), os.getpid())
    assert not descends_from(PeerProcess.of(1, 0), os.getpid())
