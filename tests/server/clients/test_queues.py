"""Queues: what is put and taken, who waits, and that nothing is lost when somebody gives up in the middle."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from motet.server.clients import queues as queues_module
from motet.server.clients.queues import MAX_ANSWER_BYTES, MAX_ITEMS, Queues
from motet.wire.client_messages import ReplyBody
from motet.wire.queue_messages import GetItems, ItemsGot, ItemsPut, PutItems, ViewQueue


class Client:
    """One that puts and takes, and says what it was answered."""

    def __init__(self, queues: Queues, number: int = 1) -> None:
        self.number = self.principal = number
        self.answers: dict[int, Any] = {}
        self._queues = queues
        self._requests = 0

    def reply(self, request_id: int, body: ReplyBody) -> None:
        assert request_id not in self.answers
        self.answers[request_id] = body

    def reply_all(self, answers: Sequence[tuple[int, ReplyBody]]) -> None:
        for each in answers:
            self.reply(*each)

    def put(self, *items: bytes, wait: bool = True) -> int:
        self._requests += 1
        answer = self._queues.put(self, self._requests, PutItems("qu-1", "", list(items), wait))
        return self._answered(answer)

    def get(self, count: int = 1, wait: bool = True) -> int:
        self._requests += 1
        return self._answered(self._queues.get(self, self._requests, GetItems("qu-1", "", count, wait)))

    def _answered(self, answer: ReplyBody | None) -> int:
        if answer is not None:
            self.reply(self._requests, answer)
        return self._requests

    def confirm(self, request: int, count: int = 1) -> None:
        self._queues.confirm(self.number, request, count)

    def forget(self, request: int) -> None:
        self._queues.forget(self.number, request)

    def answer_now(self, request: int) -> None:
        self._queues.answer_now(self.number, request)

    def put_in(self, *items: bytes) -> None:
        self.confirm(self.put(*items), len(items))

    def take(self, count: int = 1) -> list[bytes]:
        request = self.get(count, wait=False)
        items: list[bytes] = self.answers[request].items
        self.confirm(request, len(items))
        return items


def length(queues: Queues, *, clear: bool = False) -> int:
    return queues.view(ViewQueue("qu-1", "", clear=clear))


def test_items_come_out_in_the_order_they_went_in() -> None:
    client = Client(Queues())
    client.put_in(b"1", b"2")
    client.put_in(b"3")
    assert [client.take(), client.take(5), client.take()] == [[b"1"], [b"2", b"3"], []]


def test_an_item_is_in_the_queue_until_whoever_got_it_confirms() -> None:
    queues = Queues()
    client = Client(queues)
    client.put_in(b"1")
    request = client.get()
    assert client.answers[request] == ItemsGot([b"1"])
    assert length(queues) == 1
    client.confirm(request)
    assert length(queues) == 0


def test_items_nobody_confirms_are_back_in_front_and_go_to_who_waits() -> None:
    queues = Queues()
    client, other = Client(queues), Client(queues, 2)
    client.put_in(b"1", b"2")
    request, waits = client.get(2), other.get()
    client.forget(request)
    assert other.answers[waits] == ItemsGot([b"1"])
    assert client.take() == [b"2"]


def test_of_several_items_those_that_are_not_confirmed_stay() -> None:
    client = Client(Queues())
    client.put_in(b"1", b"2", b"3")
    client.confirm(client.get(3), 1)
    assert client.take(3) == [b"2", b"3"]


def test_a_client_that_is_gone_leaves_what_it_was_given_and_not_what_it_did_not_confirm() -> None:
    queues = Queues()
    client, other = Client(queues, 2), Client(queues)
    other.put_in(b"1", b"2", b"3")
    client.get()
    client.get()
    client.put(b"4")
    queues.forget_client(2)
    assert other.take(5) == [b"1", b"2", b"3"]


def test_what_is_put_is_not_there_before_it_is_confirmed() -> None:
    client = Client(Queues())
    given_up, kept = client.put(b"1"), client.put(b"2")
    assert client.take() == []
    client.forget(given_up)
    client.confirm(kept)
    assert client.take(2) == [b"2"]


def test_who_waits_is_answered_when_there_are_items_or_room() -> None:
    queues = Queues()
    client = Client(queues)
    waits = client.get()
    client.put_in(b"0")
    assert client.answers[waits] == ItemsGot([b"0"])
    client.confirm(waits)
    client.put_in(*[b"x"] * MAX_ITEMS)
    waits = client.put(b"y")
    assert waits not in client.answers
    client.take()
    assert client.answers[waits] == ItemsPut(1)


def test_several_items_go_in_together_or_not_at_all() -> None:
    queues = Queues()
    client = Client(queues)
    client.put_in(*[b"x"] * (MAX_ITEMS - 1))
    assert client.answers[client.put(b"1", b"2", wait=False)] == ItemsPut(0)
    assert length(queues) == MAX_ITEMS - 1
    assert client.answers[client.put(*[b"x"] * (MAX_ITEMS + 1))] == ItemsPut(0)


def test_who_asks_for_an_answer_now_gets_nothing_and_takes_nothing() -> None:
    queues = Queues()
    client = Client(queues)
    waits = client.get()
    client.answer_now(waits)
    assert client.answers[waits] == ItemsGot([])
    client.put_in(*[b"x"] * MAX_ITEMS)
    assert length(queues) == MAX_ITEMS
    waits = client.put(b"y")
    client.answer_now(waits)
    assert client.answers[waits] == ItemsPut(0)
    client.take()
    assert length(queues) == MAX_ITEMS - 1


def test_who_was_answered_already_is_not_answered_again() -> None:
    client = Client(Queues())
    client.put_in(b"1")
    request = client.get()
    client.answer_now(request)  # a second reply would fail
    client.confirm(request)
    assert client.take() == []


def test_items_that_were_cleared_do_not_come_back() -> None:
    queues = Queues()
    client = Client(queues)
    client.put_in(b"1")
    request = client.get()
    assert length(queues, clear=True) == 1
    client.forget(request)
    assert client.take() == []


def test_an_answer_holds_no_more_than_fits_but_at_least_one_item() -> None:
    client = Client(Queues())
    large = bytes(MAX_ANSWER_BYTES // 2 + 1)
    client.put_in(large, large)
    assert client.take(2) == [large]


def test_nothing_is_kept_of_a_queue_that_nobody_uses() -> None:
    queues = Queues()
    client = Client(queues)
    client.put_in(b"1")
    client.take()
    client.take()
    client.answer_now(client.get())
    assert queues._queues == {} == queues._open


def test_whatever_clients_do_every_item_is_taken_once_or_still_there() -> None:
    for seed in range(20):
        dice = random.Random(seed)
        queues = Queues()
        clients = [Client(queues, number) for number in range(3)]
        open_requests: list[tuple[Client, int, list[bytes]]] = []
        put: Counter[bytes] = Counter()
        taken: Counter[bytes] = Counter()
        for step in range(300):
            client = dice.choice(clients)
            match dice.randrange(6):
                case 0 | 1:
                    items = [b"%d-%d" % (step, each) for each in range(dice.randrange(1, 4))]
                    open_requests.append((client, client.put(*items), items))
                case 2 | 3:
                    open_requests.append((client, client.get(dice.randrange(1, 4), dice.random() < 0.8), []))
                case 4 if open_requests:
                    client, request, items = open_requests.pop(dice.randrange(len(open_requests)))
                    client.answer_now(request)
                    answer = client.answers[request]
                    if isinstance(answer, ItemsPut):
                        client.confirm(request, answer.count)
                        put.update(items[: answer.count])
                    else:
                        used = dice.randrange(len(answer.items) + 1)
                        client.confirm(request, used)
                        taken.update(answer.items[:used])
                case 5 if dice.random() < 0.3:
                    queues.forget_client(client.number)
                    open_requests = [it for it in open_requests if it[0] is not client]
                case 5 if open_requests:
                    client, request, _ = open_requests.pop(dice.randrange(len(open_requests)))
                    client.forget(request)
        for client in clients:
            queues.forget_client(client.number)
        while left := clients[0].take(10):
            taken.update(left)
        assert taken == put, seed
        assert queues._queues == {} == queues._open


def test_all_queues_together_hold_so_many_bytes_and_count_what_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues_module, "MAX_BYTES", 1000)
    queues = Queues()
    client, other = Client(queues), Client(queues, 2)
    client.put_in(bytes(400))
    first = other.put(bytes(400))
    assert (other.answers[first], queues.held) == (ItemsPut(1), 928)
    for wait in (True, False):
        assert client.answers[client.put(bytes(100), wait=wait)] == ItemsPut(0)
    other.forget(first)
    assert queues.held == 464
    client.put_in(bytes(300))
    assert client.take(2) == [bytes(400), bytes(300)]
    assert queues.held == 0
    client.put_in(b"1", b"2", b"3")
    client.confirm(client.get(2), 1)
    assert length(queues, clear=True) == 2
    assert queues.held == 0
    assert queues._queues == {}


def test_items_that_wait_for_room_are_counted_until_their_client_gives_up() -> None:
    queues = Queues()
    client = Client(queues)
    client.put_in(*[b""] * MAX_ITEMS)
    held = queues.held
    waiting = [client.put(bytes(100)) for _ in range(3)]
    assert queues.held == held + 3 * 164
    client.answer_now(waiting[0])
    client.forget(waiting[1])
    assert queues.held == held + 164
    queues.forget_client(1)
    assert queues.held == held
    assert length(queues, clear=True) == MAX_ITEMS
    assert (queues.held, queues._queues) == (0, {})


def test_asking_for_what_is_not_there_leaves_nothing() -> None:
    queues = Queues()
    client = Client(queues)
    for number in range(100):
        queues.get(client, 1, GetItems("qu-1", f"p{number}", 1, False))
        queues.put(client, 1, PutItems("qu-1", f"p{number}", [b""] * (MAX_ITEMS + 1), True))
    assert queues._queues == {}
