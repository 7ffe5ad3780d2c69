"""Servers that share a database: the one that leads is found, and none is shown a token before it proved that it knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from motet.client import cluster
from motet.client.cluster import Cluster, NobodyThere, ServerPlace
from motet.client.connection import Connection
from motet.client.ground import Ground, ground
from motet.client.resuming_link import ResumingLink
from motet.client.streams import ByteStream
from motet.client.waiter import Waiter
from motet.errors import ConnectionError
from motet.wire.conversation_messages import Goodbye, LeadTold, Taken
from motet.wire.hello import Agreed, Hello, Refused, WhoLeads
from motet.wire.server_proof import server_proof, token_digest, token_name
from tests.client.test_resuming_link import PATIENCE, FakeServer, call, outcome

TOKEN = "motet_x"
Answer = Callable[[Hello], Refused]


def proved(
    token: str = TOKEN,
    *,
    here: bool = True,
    key: str = "",
    address: str = "",
    fingerprint: str = "",
    term: int = 3,
    in_doubt: bool = False,
) -> Answer:
    """The answer of a server that knows this token, to who asks who leads."""

    def answer(hello: Hello) -> Refused:
        digest = token_digest(token)
        proof = server_proof(digest, hello.challenge, key) if hello.token_name == token_name(digest) else ""
        leads = WhoLeads(here, proof, "" if here else "process 7 on alpha", term, address, fingerprint, in_doubt)
        return Refused("who leads was asked", who_leads=leads)

    return answer


@pytest.fixture
def servers() -> Iterator[tuple[FakeServer, FakeServer]]:
    two = FakeServer(None), FakeServer(None)
    yield two
    for each in two:
        each.close()


@pytest.fixture
def found() -> Iterator[Callable[..., Future[ServerPlace]]]:
    """Where the leader is, as is found out on a thread."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda *addresses, token=TOKEN: pool.submit(Cluster(ground(), addresses, "", token).leader)


def test_the_one_that_leads_is_found_and_nobody_is_shown_the_token(
    servers: tuple[FakeServer, FakeServer], found: Callable[..., Future[ServerPlace]]
) -> None:
    first, second = servers
    place = found(first.address, second.address)
    asked = [first.accept(proved(here=False)), second.accept(proved())]
    assert place.result(PATIENCE) == ServerPlace(second.address)
    assert [hello.token for hello in asked] == ["", ""]
    assert len({hello.challenge for hello in asked}) == 2


@pytest.mark.parametrize(
    "answer",
    [
        proved("motet_of_another_installation"),
        proved(key="sha256:of another server, whose proof is passed on"),
        Refused("a token is needed here"),
        Agreed(1),
    ],
    ids=["another token", "another key", "an earlier Motet", "whoever lets everybody in"],
)
def test_who_does_not_prove_that_it_knows_the_token_leads_nobody(
    servers: tuple[FakeServer, FakeServer], found: Callable[..., Future[ServerPlace]], answer: object
) -> None:
    servers[1].listening.close()
    place = found(servers[0].address, servers[1].address)
    servers[0].accept(answer)
    with pytest.raises(
        NobodyThere, match=r"none of the servers leads: .*no connection to the server at tcp:"
    ) as failed:
        place.result(PATIENCE)
    assert servers[0].address in str(failed.value)


def test_what_is_no_server_at_all_is_told_with_its_address(
    servers: tuple[FakeServer, FakeServer], found: Callable[..., Future[ServerPlace]]
) -> None:
    other, leading = servers
    place = found(other.address)
    with other.listening.accept()[0] as peer:
        peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        with pytest.raises(
            NobodyThere, match=f"what answers at {other.address} is no server of Motet's: the peer announced"
        ):
            place.result(PATIENCE)
    place = found(other.address, leading.address)
    with other.listening.accept()[0] as peer:
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        leading.accept(proved())
    assert place.result(PATIENCE).address == leading.address


def test_a_server_of_another_installation_is_told(
    servers: tuple[FakeServer, FakeServer], found: Callable[..., Future[ServerPlace]]
) -> None:
    place = found(*(each.address for each in servers))
    servers[0].accept(proved(here=False))
    servers[1].accept(proved("motet_other"))
    with pytest.raises(ConnectionError) as failed:
        place.result(PATIENCE)
    assert str(failed.value) == (
        f"none of the servers leads: the one at {servers[0].address} waits for process 7 on alpha (term 3); the server at "
        f"{servers[1].address} does not know this token, so it was not shown to it: is that a server of another "
        "installation, or was the token revoked?"
    )


def test_a_server_that_stands_by_leads_to_one_that_nobody_named(
    servers: tuple[FakeServer, FakeServer], found: Callable[..., Future[ServerPlace]]
) -> None:
    first, second = servers
    place = found(first.address)
    first.accept(proved(here=False, address=second.address))
    second.accept(proved())
    assert place.result(PATIENCE).address == second.address


def test_one_whose_lead_is_in_doubt_is_used_if_no_other_leads(
    servers: tuple[FakeServer, FakeServer], found: Callable[..., Future[ServerPlace]]
) -> None:
    first, second = servers
    for other, leading in ((proved(here=False), first), (proved(term=4), second)):
        place = found(first.address, second.address)
        first.accept(proved(in_doubt=True))
        second.accept(other)
        assert place.result(PATIENCE).address == leading.address


def test_nobody_goes_back_to_one_in_doubt_after_another_has_led(servers: tuple[FakeServer, FakeServer]) -> None:
    first, second = servers
    both = Cluster(ground(), (first.address, second.address), "", TOKEN)
    with ThreadPoolExecutor(1) as pool:
        place = pool.submit(both.leader)
        first.accept(proved(in_doubt=True))
        second.accept(proved(term=4))
        assert place.result(PATIENCE).address == second.address
        place = pool.submit(both.leader)
        first.accept(proved(in_doubt=True))
        second.accept(proved(here=False))
        with pytest.raises(ConnectionError, match=r"cannot know whether it still leads \(term 3\); the one at "):
            place.result(PATIENCE)


@pytest.mark.parametrize(
    ("told", "is_followed"), [("tls:b:1", True), ("wss://b:1/connect", True), ("insecure-tcp:b:1", False)]
)
def test_nobody_is_led_to_where_the_token_would_be_read_on_its_way(told: str, is_followed: bool) -> None:
    known = Cluster(ground(), ["tls:a:1"], "", TOKEN)
    known.learn(WhoLeads(here=False, address=told))
    assert known.is_one != is_followed


def test_a_proof_is_for_one_challenge_one_token_and_one_key() -> None:
    digest = token_digest(TOKEN)
    proofs = [
        server_proof(digest, "a", "k"),
        server_proof(digest, "b", "k"),
        server_proof(digest, "a", ""),
        server_proof(token_digest("motet_y"), "a", "k"),
        token_name(digest),
        digest,
    ]
    assert len(set(proofs)) == len(proofs)


# --- a connection to one of several ---------------------------------------------------------------------------------------


def connected(*servers: FakeServer, silence: float = PATIENCE, patience: float = PATIENCE) -> Connection:
    """One that looks for the server that leads."""
    first, *others = servers
    connection = Connection()
    first.connections.append(connection)
    hello = Hello("client", TOKEN, confirms=True)
    addresses = [each.address for each in others]
    ResumingLink(first.address, hello, connection, patience=patience, silence=silence, others=addresses)
    return connection


def let_in(server: FakeServer, run: str) -> Hello:
    """It leads, and lets the client in."""
    server.accept(proved())
    return server.accept(Agreed(1, run=run, conversation_token=f"talk-{run}"))


def test_what_is_said_before_the_one_that_leads_is_found_is_said_to_it(servers: tuple[FakeServer, FakeServer]) -> None:
    first, second = servers
    outcomes = call(connected(first, second))
    first.accept(proved(here=False))
    assert let_in(second, "se-2").token == TOKEN
    assert second.next_said().call_id == "fc-a"
    second.say(outcome())
    assert outcomes.waiter.wait() is None


def test_when_the_one_that_leads_is_gone_the_client_goes_over(servers: tuple[FakeServer, FakeServer]) -> None:
    first, second = servers
    outcomes = call(connected(first, second))
    let_in(first, "se-1")
    assert not first.next_said().again
    first.vanish()
    let_in(second, "se-2")
    again = second.next_said()
    assert (again.call_id, again.again) == ("fc-a", True)
    second.say(outcome())
    assert outcomes.waiter.wait() is None


def test_when_the_one_that_leads_says_nothing_any_more_the_client_goes_over_to_one_that_leads(
    servers: tuple[FakeServer, FakeServer],
) -> None:
    """It waits for as long as nobody else leads."""
    first, second = servers
    outcomes = call(connected(first, second, silence=600 * 0.3))
    hello = let_in(first, "se-1")
    assert hello.heartbeat_ms == 1000
    first.next_said()
    second.accept(proved(here=False))
    second.accept(proved())
    let_in(second, "se-2")
    assert second.next_said().again
    second.say(outcome())
    assert outcomes.waiter.wait() is None


@pytest.mark.parametrize("is_named", [True, False])
def test_when_the_one_that_leads_may_lead_no_more_the_client_goes_over_to_one_that_leads(
    servers: tuple[FakeServer, FakeServer], is_named: bool
) -> None:
    """It is told so by that one, and of the other if need be; and that one hears that it goes."""
    first, second = servers
    outcomes = call(connected(first, second) if is_named else connected(first))
    if is_named:
        first.accept(proved())
    first.accept(Agreed(1, run="se-1", conversation_token="talk"))
    first.next_said()
    first.say(Taken(1, LeadTold(others=((second.address, ""),))), Taken(1, LeadTold(in_doubt=True)))
    second.accept(proved(here=False))
    first.say(Taken(1))
    second.accept(proved(term=4))
    while not isinstance(first.next(), Goodbye):
        pass
    first.peer.close()
    first.accept(proved(in_doubt=True)) if not is_named else None
    second.accept(proved(term=4))
    second.accept(Agreed(1, run="se-2", conversation_token="talk-2"))
    assert second.next_said().again
    second.say(outcome())
    assert outcomes.waiter.wait() is None


def test_a_client_stays_with_one_in_doubt_while_no_other_leads(servers: tuple[FakeServer, FakeServer]) -> None:
    first, second = servers
    outcomes = call(connected(first, second))
    let_in(first, "se-1")
    first.next_said()
    first.say(Taken(1, LeadTold(in_doubt=True)))
    second.accept(proved(here=False))
    second.accept(proved(in_doubt=True))
    first.say(Taken(1, LeadTold()), outcome())
    assert outcomes.waiter.wait() is None


def test_the_one_server_that_is_named_stands_by_and_says_who_leads(servers: tuple[FakeServer, FakeServer]) -> None:
    first, second = servers
    outcomes = call(connected(first))
    told = WhoLeads(False, "", "process 7 on alpha", 3, second.address)
    first.accept(Refused("this server stands by", who_leads=told))
    first.accept(proved(here=False, address=second.address))
    let_in(second, "se-2")
    assert second.next_said().call_id == "fc-a"
    second.say(outcome())
    assert outcomes.waiter.wait() is None


def test_a_server_that_came_back_and_stands_by_leads_to_the_next(servers: tuple[FakeServer, FakeServer]) -> None:
    first, second = servers
    connection = connected(first)
    outcomes = call(connection)
    first.accept(Agreed(1, run="se-1", conversation_token="talk"))
    first.next_said()
    first.peer.close()
    first.accept(Refused("this server stands by", who_leads=WhoLeads(False, "", "x", 3, second.address)))
    let_in(second, "se-2")
    assert second.next_said().again
    second.say(outcome())
    assert outcomes.waiter.wait() is None


def test_when_none_of_them_is_there_that_is_said_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "NOBODY_PATIENCE", 0.0)
    connection = Connection()
    waiter: Waiter[Exception] = Waiter(PATIENCE)
    connection.when_lost(waiter.set)
    addresses = [f"unix:{tmp_path}/{name}" for name in "ab"]
    ResumingLink(addresses[0], Hello("client", ""), connection, patience=600.0, others=addresses[1:])
    error = waiter.wait()
    assert isinstance(error, NobodyThere)
    assert all(address in str(error) for address in addresses)


def test_a_server_that_comes_to_lead_may_not_be_there_for_a_moment(
    servers: tuple[FakeServer, FakeServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not stand by any more, and listens again."""
    monkeypatch.setattr(cluster, "NOBODY_PATIENCE", PATIENCE)
    first, second = servers
    for each in servers:
        each.listening.close()
    outcomes = call(connected(first, second))
    second.listen()
    let_in(second, "se-2")
    second.next_said()
    second.say(outcome())
    assert outcomes.waiter.wait() is None


def test_while_they_stand_by_they_are_asked_again_until_one_leads(
    servers: tuple[FakeServer, FakeServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ASK_TIMEOUT", PATIENCE)
    first, second = servers
    outcomes = call(connected(first, second))
    for each in (first, second, first):
        each.accept(proved(here=False))
    let_in(second, "se-2")
    second.next_said()
    second.say(outcome())
    assert outcomes.waiter.wait() is None


class SlowGround(Ground):
    """No server is there, and it takes so many seconds to know that."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.clock = 0.0
        self.asked = 0

    def now(self) -> float:
        return self.clock

    def open_stream(self, address: str, fingerprint: str = "", timeout: float | None = None) -> ByteStream:
        self.asked += 1
        self.clock += self._seconds
        raise ConnectionRefusedError(address)


@pytest.mark.parametrize(("seconds", "pause"), [(0.01, 0.25), (0.7, 0.7), (2.0, 8.0)])
def test_other_servers_are_asked_again_soon_also_on_a_busy_machine(seconds: float, pause: float) -> None:
    """One that says nothing at all is asked seldom: whoever asks does nothing else meanwhile."""
    on = SlowGround(seconds)
    cluster = Cluster(on, ("tcp:a:1", "tcp:b:1"), "", TOKEN)
    cluster.in_doubt = True
    asked = []
    for more in (0.0, pause - 0.001, 0.002):
        on.clock += more
        cluster.check_doubt("tcp:a:1")
        asked.append(on.asked)
    assert asked == [1, 1, 2]
