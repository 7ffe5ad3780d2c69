"""Which version of the wire two sides speak, and who is to upgrade if there is none."""

from __future__ import annotations

import msgspec
import pytest

from motet.errors import ConnectionError, VersionError
from motet.model.version import VERSION
from motet.wire import codec
from motet.wire.hello import PYTHON, WIRE_VERSIONS, Hello, Refused, agreed_version


@pytest.mark.parametrize(
    ("client", "server", "version"),
    [
        ((1, 1), (1, 1), 1),
        ((1, 3), (1, 1), 1),
        ((1, 1), (1, 3), 1),
        ((1, 2), (1, 3), 2),
        ((2, 4), (1, 3), 3),
    ],
)
def test_both_speak_the_newest_version_that_both_know(
    client: tuple[int, int], server: tuple[int, int], version: int
) -> None:
    assert agreed_version(Hello("client", "", versions=client), server) == version


@pytest.mark.parametrize(
    ("container_id", "versions", "behind"),
    [
        ("", (1, 1), "client"),
        ("ta-1", (1, 2), "container"),
        ("", (5, 6), "server"),
        ("ta-1", (5, 5), "server"),
    ],
)
def test_without_a_common_version_the_error_says_where_to_upgrade(
    container_id: str, versions: tuple[int, int], behind: str
) -> None:
    hello = Hello("client", "", container_id, versions, "3.14.1", "7.8.9")
    with pytest.raises(VersionError) as raised:
        agreed_version(hello, (3, 4))
    text = str(raised.value)
    assert text.endswith(f": upgrade Motet where the {behind} runs")
    assert "runs Motet 7.8.9, which speaks version" in text
    assert f"the server Motet {VERSION}, which speaks versions 3 to 4 (on Python {PYTHON})" in text


@pytest.mark.parametrize("versions", [(0, 0), (2, 1), (-1, 1)])
def test_versions_that_are_none_are_the_peers_fault(versions: tuple[int, int]) -> None:
    with pytest.raises(ConnectionError, match="are none"):
        agreed_version(Hello("client", "", versions=versions))


def test_a_refusal_for_the_version_is_an_error_of_its_own() -> None:
    assert isinstance(Refused("too old", (3, 4)).error("the connection"), VersionError)
    other = Refused("not an operator of this server").error("this container")
    assert isinstance(other, ConnectionError)
    assert str(other) == "the server refused this container: not an operator of this server"


def test_a_hello_says_what_this_is() -> None:
    hello = Hello("client", "secret")
    assert (hello.versions, hello.python, hello.motet) == (WIRE_VERSIONS, PYTHON, VERSION)


class LaterHello(msgspec.Struct, array_like=True, tag="hello"):
    """A hello of a version to come, with a field more."""

    role: str
    token: str
    container_id: str
    versions: tuple[int, int]
    python: str
    motet: str
    resumes: bool
    confirms: bool
    lasts: bool
    conversation_token: str
    taken: int
    heartbeat_ms: int
    challenge: str
    token_name: str
    binds: bool
    zone: str


class EarlierHello(msgspec.Struct, array_like=True, tag="hello"):
    """A hello without the fields that were added last."""

    role: str
    token: str


def test_a_field_that_is_added_last_is_ignored_by_those_who_do_not_know_it_and_may_be_missing() -> None:
    later = LaterHello("client", "t", "", (1, 2), "3.15.0", "2.0.0", False, True, False, "", 0, 0, "", "", False, "eu")
    earlier = EarlierHello("client", "t")
    got = codec.decode_to_server(memoryview(msgspec.msgpack.encode([later, earlier])))
    assert got == [Hello("client", "t", "", (1, 2), "3.15.0", "2.0.0", confirms=True), Hello("client", "t")]
