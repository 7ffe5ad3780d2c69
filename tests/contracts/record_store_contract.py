"""The contract of `motet.store.records.RecordStore`: inherit `RecordStoreContract` and give it a `store` fixture."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from motet.model.attempt import AttemptRecord
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.model.ids import input_id
from motet.model.outcome import CallKind, OutcomeKind
from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.facts import DecisionRecord, SampleRecord, StallRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch, LogLine, LogSource
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.store.records import RecordStore

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]

SUCCESS, FAILURE = OutcomeKind.SUCCESS, OutcomeKind.FAILURE


def app(number: int = 1, name: str = "shop") -> AppRecord:
    return AppRecord(f"ap-{number}", name, float(number))


def function(number: int = 1, name: str = "fetch", app_number: int = 1) -> FunctionRecord:
    return FunctionRecord(f"fu-{number}", f"ap-{app_number}", name, 10, 8)


def call(number: int = 1, function_number: int = 1, at: float | None = None, parent: str | None = None) -> CallRecord:
    moment = float(number) if at is None else at
    return CallRecord(f"fc-{number}", f"fu-{function_number}", CallKind.ATTACHED, "", moment, parent)


def container(number: int = 1, function_number: int = 1, ended_at: float | None = None) -> ContainerRecord:
    moment = float(number)
    return ContainerRecord(f"ta-{number}", f"fu-{function_number}", moment, moment, "one waits", ended_at=ended_at)


def ended(
    index: int, call_number: int = 1, at: float | None = None, kind: OutcomeKind = SUCCESS, container_number: int = 1
) -> InputRecord:
    moment = float(index) if at is None else at
    attempt = AttemptRecord(f"ta-{container_number}", 0.0, moment, kind, 0.1, 0.2)
    return InputRecord.of(f"fc-{call_number}", index, 0.0, moment, kind, [attempt], b"why" if kind else b"")


def arguments(call_number: int) -> ArgumentsRecord:
    """Those of the only input of a call, which ended at the second of its number."""
    return ArgumentsRecord(f"fc-{call_number}", 0, "fu-1", float(call_number), f"arguments {call_number}".encode())


def definition(number: int = 1) -> DefinitionRecord:
    where = ImportedDefinition(module="shop", qualname="fetch", file="/app/shop.py")
    spec = FunctionSpec(name="fetch", app_name="shop", definition=where, env={"SECRET": "s3cret"})
    app = AppSpec(name="shop", functions=(spec,), sys_path=("/app",), project_dir="/app", argv=("shop.py",))
    return DefinitionRecord.of(f"fu-{number}", spec, app)


def lines(*texts: str, at: float = 1.0, call: int = 0, index: int = -1, source: LogSource = "stdout") -> LogBatch:
    return LogBatch(at, "fu-1", "ta-1", f"fc-{call}" if call else "", index, source, list(texts))


def shop(**more: object) -> RecordBatch:
    return RecordBatch(apps=[app()], functions=[function()], calls=[call()], containers=[container()], **more)  # type: ignore[arg-type]


def texts(store: RecordStore, query: LogQuery) -> list[str]:
    return [line.text for line in store.logs(query)]


class RecordStoreContract:
    # --- log lines --------------------------------------------------------------------------------------------------

    def test_a_message_with_the_id_of_its_input_is_found_by_it(self, store: RecordStore) -> None:
        first, second = input_id("fc-01hq3v8k2m", 7), input_id("fc-01hq3v8k2m", 70)
        store.add(shop(logs=[lines(f"{each}: heavy work ends", at=3.0) for each in (first, second)]))
        assert store.logs(LogQuery(search=first)) == [
            LogLine(0, 3.0, "ap-1", "fu-1", "fetch", "ta-1", "", -1, "stdout", f"{first}: heavy work ends")
        ]

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("heavy", True),
            ("HEAVY work", True),
            ("heavy wor", True),
            ("heavy wo", False),
            ("eavy", False),
            ("work heavy", False),
            ("work, ends", True),
            ('heavy"', True),
            ("heavy AND work", False),
            ("heavy*", True),
            ("text : heavy", False),
            ("f1", False),
            ("über", True),
            ("---", True),
            ("----", False),
            ("", True),
            (" ", True),
            ("work\0ends", True),
            ("heavy\ud800", True),
            ("heavy " * 1600, False),
            ("-" * 10_000, False),
        ],
    )
    def test_lines_are_found_by_their_words(self, store: RecordStore, search: str, found: bool) -> None:
        line = "Heavy work ends --- Über 5"
        store.add(shop(logs=[lines(line)]))
        assert texts(store, LogQuery(search=search)) == [line] * found

    def test_the_newest_lines_are_asked_for_or_those_after_one(self, store: RecordStore) -> None:
        store.add(shop(logs=[lines(f"line {number}", at=float(number)) for number in range(50)]))
        assert texts(store, LogQuery(limit=2)) == ["line 48", "line 49"]
        assert texts(store, LogQuery(limit=2, newest=False)) == ["line 0", "line 1"]
        last = store.logs(LogQuery(limit=2, newest=False, search="line"))[-1]
        assert texts(store, LogQuery(limit=2, newest=False, search="line", after=last.position)) == ["line 2", "line 3"]
        assert store.logs(LogQuery(after=store.logs(LogQuery(limit=1))[0].position)) == []

    def test_nothing_written_is_lost_or_unreadable(self, store: RecordStore) -> None:
        long = "x" * 500_000 + " needle " + "y" * 500_000
        store.add(shop(logs=[lines(long, "a\0b", "half \ud83d of a pair", "", "\ufffd\x1b[31m")]))
        assert texts(store, LogQuery()) == [long, "a\0b", "half \ufffd of a pair", "", "\ufffd\x1b[31m"]
        assert texts(store, LogQuery(search="needle")) == [long]
        assert texts(store, LogQuery(search="of a pair")) == ["half \ufffd of a pair"]

    def test_unknown_ids_and_malformed_ones_find_nothing(self, store: RecordStore) -> None:
        store.add(shop(logs=[lines("a line", call=1, index=0)], inputs={"fu-1": [ended(0)]}))
        for strange in (
            "",
            "fu-9",
            "in-1-9",
            "in-1-",
            "in",
            "\ud800",
            "x" * 10_000,
            "' OR 1 --",
            "%",
            "in-1-²",
            "in-1-" + "9" * 30,
        ):
            for field in ("app", "function", "call_id", "input_id", "container_id"):
                assert store.logs(LogQuery(**{field: strange})) == []
            assert (store.call(strange), store.input(strange), store.container(strange)) == (None, None, None)
            assert store.inputs(InputQuery(call_id=strange)) == store.inputs(InputQuery(container_id=strange)) == []
            assert store.calls(CallQuery(function=strange)) == store.calls(CallQuery(parent_input_id=strange)) == []
            assert store.functions(strange) == store.containers(strange) == store.containers(ids=[strange]) == []
            for kind in (StallRecord, DecisionRecord, SampleRecord):
                assert store.facts(kind, [strange], since=0, until=9) == []

    def test_a_call_and_an_input_of_another_one_find_nothing(self, store: RecordStore) -> None:
        store.add(shop(logs=[lines("a line", call=1, index=0)]))
        assert texts(store, LogQuery(call_id="fc-1", input_id="in-1-0")) == ["a line"]
        assert texts(store, LogQuery(call_id="fc-2", input_id="in-1-0")) == []

    def test_lines_whose_function_and_container_nobody_knows_are_kept(self, store: RecordStore) -> None:
        store.add(RecordBatch(logs=[LogBatch(1.0, "", "", "", -1, "system", ["server starts"])]))
        store.add(RecordBatch(logs=[LogBatch(1.0, "fu-9", "ta-9", "fc-9", 3, "stderr", ["who am I"])]))
        assert store.logs(LogQuery(function="fu-9", input_id="in-9-3")) == [
            LogLine(1, 1.0, "", "fu-9", "", "ta-9", "fc-9", 3, "stderr", "who am I")
        ]
        assert len(store.logs(LogQuery())) == 2
        assert (store.functions(), store.containers(), store.calls(CallQuery())) == ([], [], [])
        store.add(RecordBatch(functions=[function(9)], calls=[call(9, 9)]))
        assert store.logs(LogQuery(app="ap-1"))[0].function_name == "fetch"

    @settings(max_examples=60, deadline=None, suppress_health_check=_SHARED)
    @given(data=st.data())
    def test_every_filter_holds_and_finds_all(self, store: RecordStore, data: st.DataObject) -> None:
        """Against a list that is searched through. Stores are kept between examples, so each has an app of its own."""
        number = next(_numbers)
        ids = [f"{number}{letter}" for letter in "ab"]
        batches = data.draw(st.lists(_batches(ids), max_size=12))
        functions = [FunctionRecord(f"fu-{each}", f"ap-{number}", f"name-{each}", 1, 1) for each in ids]
        store.add(RecordBatch(apps=[AppRecord(f"ap-{number}", f"app-{number}", 0.0)], functions=functions))
        for batch in batches:
            store.add(RecordBatch(logs=[batch]))
        query = data.draw(_queries(number, ids))
        wanted = [text for batch in batches for text in batch.lines if _is_wanted(batch, text, query)]
        assert texts(store, query) == (wanted[-query.limit :] if query.newest else wanted[: query.limit])

    # --- calls and inputs -------------------------------------------------------------------------------------------

    def test_a_call_counts_how_its_inputs_ended(self, store: RecordStore) -> None:
        store.add(shop())
        assert (found := store.call("fc-1")) is not None
        assert (found.call, found.app_id, found.function_name, found.ended_inputs) == (call(), "ap-1", "fetch", 0)
        kinds = [SUCCESS, SUCCESS, FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.CANCELLED, OutcomeKind.LOST]
        store.add(RecordBatch(inputs={"fu-1": [ended(index, kind=kind) for index, kind in enumerate(kinds)]}))
        store.add(RecordBatch(inputs={"fu-1": [ended(6, kind=OutcomeKind.REFUSED)]}))
        assert (found := store.call("fc-1")) is not None
        assert (found.succeeded, found.failed, found.timed_out, found.cancelled, found.lost) == (2, 2, 1, 1, 1)
        assert (found.ended_inputs, found.ended_at) == (7, 6.0)

    def test_a_call_whose_first_input_ended_at_once_may_have_more(self, store: RecordStore) -> None:
        calls = [call(number) for number in (1, 2, 3)]
        first = [ended(0, number, kind=FAILURE) for number in (1, 2, 3)]
        store.add(RecordBatch(apps=[app()], functions=[function()], calls=calls, inputs={"fu-1": first}))
        store.add(RecordBatch(logs=[lines("of the first", call=2, index=0)]))
        for index in range(1, 4):
            store.add(RecordBatch(inputs={"fu-1": [ended(index, 2)]}))
        assert (found := store.call("fc-2")) is not None
        assert (found.call, found.failed, found.succeeded, found.ended_at) == (calls[1], 1, 3, 3.0)
        assert [it.index for it in store.inputs(InputQuery(call_id="fc-2"))] == [0, 1, 2, 3]
        assert store.input("in-2-0") == first[1]
        summaries = store.calls(CallQuery())
        assert [(it.call, it.ended_inputs) for it in summaries] == [(calls[2], 1), (calls[1], 4), (calls[0], 1)]
        assert texts(store, LogQuery(input_id="in-2-0")) == ["of the first"]

    def test_calls_come_newest_first_and_are_paged_by_when_they_came(self, store: RecordStore) -> None:
        calls = [call(number, 1 + number % 2) for number in range(1, 31)]
        store.add(RecordBatch(apps=[app()], functions=[function(1), function(2, "store")], calls=calls))
        assert [it.call.call_id for it in store.calls(CallQuery(limit=2))] == ["fc-30", "fc-29"]
        assert [it.call.call_id for it in store.calls(CallQuery(before=29, limit=2))] == ["fc-28", "fc-27"]
        assert [it.call.call_id for it in store.calls(CallQuery(function="store", limit=2))] == ["fc-29", "fc-27"]
        assert [it.call.call_id for it in store.calls(CallQuery(since=3, until=4))] == ["fc-4", "fc-3"]

    def test_calls_are_found_by_their_parent_and_by_how_inputs_ended(self, store: RecordStore) -> None:
        calls = [call(1), call(2, parent="in-1-0"), call(3, parent="in-1-1")]
        inputs = [ended(0, 1), ended(0, 2, kind=FAILURE), ended(0, 3, kind=OutcomeKind.LOST)]
        store.add(RecordBatch(apps=[app()], functions=[function()], calls=calls, inputs={"fu-1": inputs}))
        assert [it.call for it in store.calls(CallQuery(parent_input_id="in-1-0"))] == [calls[1]]
        assert [it.call for it in store.calls(CallQuery(kinds=(FAILURE,)))] == [calls[1]]
        assert [it.call for it in store.calls(CallQuery(kinds=(FAILURE, OutcomeKind.LOST)))] == [calls[2], calls[1]]

    def test_functions_of_one_name_in_two_apps_are_told_apart(self, store: RecordStore) -> None:
        functions = [function(1), function(2, app_number=2), function(3, "other", 2)]
        calls = [call(number, number) for number in (1, 2, 3)]
        store.add(RecordBatch(apps=[app(), app(2, "bank")], functions=functions, calls=calls))
        assert store.functions() == functions
        assert store.functions("bank") == store.functions("ap-2") == functions[1:]
        assert [it.call for it in store.calls(CallQuery(function="fetch"))] == [calls[1], calls[0]]
        assert [it.call for it in store.calls(CallQuery(function="fetch", app="bank"))] == [calls[1]]
        assert [it.call for it in store.calls(CallQuery(function="fu-2", app="shop"))] == []

    @pytest.mark.parametrize("per_batch", [1, 50, 300, 5000])
    def test_inputs_of_a_call_come_in_order_however_they_ended(self, store: RecordStore, per_batch: int) -> None:
        count = 50 if per_batch == 1 else 5000
        order = sorted(range(count), key=lambda index: (index * 7919) % 1009)
        store.add(shop())
        for start in range(0, count, per_batch):
            batch = order[start : start + per_batch]
            others = [ended(0, 2 + start + number) for number in range(3)]
            store.add(RecordBatch(inputs={"fu-1": [*(ended(index, at=float(index)) for index in batch), *others]}))
        page = store.inputs(InputQuery(call_id="fc-1", limit=20))
        assert [it.index for it in page] == list(range(20))
        page = store.inputs(InputQuery(call_id="fc-1", after_index=29, limit=20))
        assert [it.index for it in page] == list(range(30, 50))
        assert [it.index for it in store.inputs(InputQuery(call_id="fc-1", after_index=count - 3))] == [
            count - 2,
            count - 1,
        ]
        assert store.inputs(InputQuery(call_id="fc-1", function="other")) == []
        assert (found := store.input(input_id("fc-1", count - 1))) == ended(count - 1)
        assert found is not None
        assert store.input(input_id("fc-1", count)) is None

    def test_inputs_whose_moments_are_on_another_clock_are_found_by_the_wall_clock(self, store: RecordStore) -> None:
        attempt = AttemptRecord("ta-1", 2.0, 3.0, SUCCESS, 2.5, 0.0)
        batch = shop(inputs={"fu-1": [InputRecord.of("fc-1", 0, 1.0, 3.0, SUCCESS, [attempt])]})
        batch.clock = 1000.0
        store.add(batch)
        attempt = AttemptRecord("ta-1", 1002.0, 1003.0, SUCCESS, 1002.5, 0.0)
        wanted = [InputRecord.of("fc-1", 0, 1001.0, 1003.0, SUCCESS, [attempt])]
        assert store.inputs(InputQuery(since=1003, until=1003)) == store.inputs(InputQuery(call_id="fc-1")) == wanted
        assert store.inputs(InputQuery(until=1002)) == store.inputs(InputQuery(before=1003)) == []
        assert store.calls(CallQuery())[0].ended_at == 1003.0

    def test_inputs_come_latest_first_and_are_paged(self, store: RecordStore) -> None:
        store.add(shop())
        for start in range(0, 3000, 100):
            store.add(
                RecordBatch(inputs={"fu-1": [ended(index, at=3000.0 - index) for index in range(start, start + 100)]})
            )
        assert [it.ended_at for it in store.inputs(InputQuery(function="fetch", limit=3))] == [3000, 2999, 2998]
        assert [it.ended_at for it in store.inputs(InputQuery(app="shop", before=2998, limit=3))] == [2997, 2996, 2995]
        assert [it.ended_at for it in store.inputs(InputQuery(since=2, until=3))] == [3, 2]

    def test_inputs_are_found_by_how_they_ended_and_where_they_ran(self, store: RecordStore) -> None:
        inputs = [ended(index, kind=OutcomeKind(index % 3), container_number=index % 2) for index in range(12)]
        store.add(shop(inputs={"fu-1": inputs}))
        failed = store.inputs(InputQuery(call_id="fc-1", kinds=(FAILURE,)))
        assert [it.index for it in failed] == [1, 4, 7, 10]
        assert failed[0].failure == b"why"
        here = store.inputs(InputQuery(container_id="ta-1", kinds=(SUCCESS, FAILURE)))
        assert [it.index for it in here] == [9, 7, 3, 1]
        assert store.inputs(InputQuery(container_id="ta-11")) == []

    # --- containers and their pools ---------------------------------------------------------------------------------

    def test_a_container_is_kept_as_it_last_was(self, store: RecordStore) -> None:
        store.add(shop())
        last = ContainerRecord("ta-1", "fu-1", 1.0, 1.5, "one waits", 2.0, 3.0, 4.0, 5.0, "idle")
        store.add(RecordBatch(containers=[container(2), last]))
        assert store.container("ta-1") == last
        assert store.containers() == store.containers("fetch") == store.containers("fu-1") == [container(2), last]
        assert store.containers(running=True) == [container(2)]
        assert store.containers(ids=["ta-1", "ta-3"]) == [last]
        assert store.containers(ids=[]) == []

    def test_an_app_is_kept_as_it_last_was(self, store: RecordStore) -> None:
        store.add(RecordBatch(apps=[app(1), app(2)]))
        over = AppRecord("ap-1", "shop", 1.0, ended_at=9.0)
        store.add(RecordBatch(apps=[over]))
        assert store.apps() == [app(2), over]

    def test_stalls_that_overlap_a_time_are_found(self, store: RecordStore) -> None:
        stalls = [
            StallRecord(f"ta-{1 + number % 2}", "fc-1", number, float(number), number + 2.0) for number in range(6)
        ]
        store.add(RecordBatch(facts=[*stalls]))
        assert store.facts(StallRecord, ["ta-1"], since=3, until=4) == [stalls[2], stalls[4]]
        assert store.facts(StallRecord, ["ta-1", "ta-2"], since=3.5, until=3.5) == [stalls[2], stalls[3]]
        assert store.facts(StallRecord, [], since=0, until=9) == []

    def test_decisions_and_samples_come_in_order(self, store: RecordStore) -> None:
        decisions = [DecisionRecord(float(at), f"fu-{at % 2}", 2, 1, 1, 10, 5, "demand 3") for at in range(10)]
        samples = [SampleRecord(float(at), f"fu-{at % 2}", 1, 2, 3, 4, 5, 6, 7, 8) for at in range(10)]
        store.add(RecordBatch(facts=[*decisions, *samples]))
        assert store.facts(DecisionRecord, ["fu-1"], limit=2) == [decisions[7], decisions[9]]
        assert store.facts(DecisionRecord, ["fu-1"], since=8) == [decisions[9]]
        assert store.facts(SampleRecord, ["fu-1"], since=3, until=6) == [samples[3], samples[5]]

    # --- keeping ----------------------------------------------------------------------------------------------------

    def test_what_is_older_is_forgotten_and_the_rest_is_kept(self, store: RecordStore) -> None:
        store.add(
            shop(
                logs=[lines(f"line {at}", at=float(at)) for at in range(20)],
                inputs={"fu-1": [ended(index, 1 + index, at=float(index)) for index in range(1, 20)]},
                facts=[DecisionRecord(float(at), "fu-1", 2, 1, 1, 10, 5, "demand 3") for at in range(20)],
            )
        )
        assert store.forget(before=15.0) == 15
        assert (
            texts(store, LogQuery()) == texts(store, LogQuery(search="line")) == [f"line {at}" for at in range(15, 20)]
        )
        assert [it.at for it in store.facts(DecisionRecord, ["fu-1"])] == [15, 16, 17, 18, 19]
        assert len(store.inputs(InputQuery())) >= 5
        assert store.forget(before=15.0) == 0
        assert store.forget(before=100.0) == 5
        assert (store.logs(LogQuery()), store.inputs(InputQuery())) == ([], [])
        assert [it.call for it in store.calls(CallQuery())] == [
            call()
        ]  # it may still run: none of its inputs has ended
        assert (len(store.apps()), len(store.functions()), len(store.containers())) == (1, 1, 1)

    def test_arguments_are_found_by_their_input_with_where_its_function_is(self, store: RecordStore) -> None:
        store.add(shop(arguments=[arguments(1), arguments(2)], definitions=[definition()], clock=100.0))
        store.add(shop(arguments=[arguments(3)], definitions=[definition()]))
        assert store.arguments("in-2-0") == ArgumentsRecord("fc-2", 0, "fu-1", 102.0, b"arguments 2")
        assert store.definition("fu-1") == definition()
        for unknown in ("in-9-0", "in-2-1", "what?"):
            assert store.arguments(unknown) is None
        assert store.definition("fu-2") is None

    def test_arguments_go_with_their_inputs_and_with_the_last_where_the_function_is(self, store: RecordStore) -> None:
        store.add(shop(arguments=[arguments(1), arguments(2)], definitions=[definition()]))
        store.forget(before=2.0)
        assert (store.arguments("in-1-0"), store.arguments("in-2-0")) == (None, arguments(2))
        assert store.definition("fu-1") == definition()
        store.forget(before=3.0)
        assert (store.arguments("in-2-0"), store.definition("fu-1")) == (None, None)

    def test_lines_that_are_kept_still_tell_whose_they_are(self, store: RecordStore) -> None:
        for number in range(1, 20):
            written = [lines(f"line {number}", at=float(number), call=number, index=0)]
            inputs = {"fu-1": [ended(0, number, at=float(number))]}
            store.add(RecordBatch(functions=[function()], calls=[call(number)], inputs=inputs, logs=written))
        store.add(RecordBatch(calls=[call(20, at=1.0)]))
        store.forget(before=15.0)
        assert [line.call_id for line in store.logs(LogQuery())] == [f"fc-{number}" for number in range(15, 20)]
        assert texts(store, LogQuery(input_id="in-17-0")) == ["line 17"]
        assert [it.call.call_id for it in store.calls(CallQuery())] == [
            f"fc-{number}" for number in (19, 18, 17, 16, 15, 20)
        ]

    def test_lines_that_come_after_forgetting_are_found_by_their_own_words_alone(self, store: RecordStore) -> None:
        store.add(shop(logs=[lines("old", at=5.0), lines("older", at=1.0)]))
        last = store.logs(LogQuery())[-1].position
        assert store.forget(before=3.0) == 1
        store.add(RecordBatch(logs=[lines("new", at=6.0)]))
        assert store.forget(before=6.0) == 1
        store.add(RecordBatch(logs=[lines("newer", at=7.0)]))
        assert texts(store, LogQuery(search="old")) == []
        assert texts(store, LogQuery(after=last)) == texts(store, LogQuery(search="new")) == ["new", "newer"]

    @pytest.mark.parametrize("erased", [1, 2, 3])
    def test_of_an_erased_call_nothing_is_left_and_of_its_neighbours_everything(
        self, store: RecordStore, erased: int
    ) -> None:
        """The first call has a row and chunks of its own, the second a row, the third lies in a chunk with the second."""
        store.add(RecordBatch(apps=[app()], functions=[function()], calls=[call(1), call(2), call(3)]))
        many = [ended(index, 1) for index in range(100)]
        store.add(RecordBatch(inputs={"fu-1": [*many, ended(0, 2), ended(1, 2, kind=FAILURE), ended(0, 3)]}))
        store.add(RecordBatch(calls=[call(4)], inputs={"fu-1": [ended(0, 4, at=50.0)]}))
        written = [lines(f"secret {number}", at=float(number), call=number, index=0) for number in (1, 2, 3, 2, 1)]
        store.add(RecordBatch(logs=[*written, lines("of nobody", at=6.0)]))
        kept = [arguments(number) for number in (1, 2, 3)]
        store.add(RecordBatch(arguments=kept, definitions=[definition()]))
        store.add(RecordBatch(facts=[StallRecord("ta-1", f"fc-{number}", 0, 1.0, 2.0, "") for number in (1, 2, 3)]))
        others = [number for number in (1, 2, 3) if number != erased]
        last = store.logs(LogQuery())[-1].position

        assert store.erase_calls([f"fc-{erased}", "fc-none"]) == 1
        assert store.erase_calls([f"fc-{erased}"]) == 0

        assert store.call(f"fc-{erased}") is None
        assert store.inputs(InputQuery(call_id=f"fc-{erased}")) == []
        assert store.arguments(f"in-{erased}-0") is None
        assert texts(store, LogQuery(call_id=f"fc-{erased}")) == []
        assert {it.call.call_id for it in store.calls(CallQuery())} == {f"fc-{number}" for number in (*others, 4)}
        assert {it.call_id for it in store.inputs(InputQuery(limit=1000))} == {f"fc-{it}" for it in (*others, 4)}
        for number in others:
            found = store.call(f"fc-{number}")
            assert found is not None
            assert (
                found.ended_inputs == len(store.inputs(InputQuery(call_id=f"fc-{number}"))) == (100, 2, 1)[number - 1]
            )
            assert store.arguments(f"in-{number}-0") == arguments(number)
        left = [number for number in (1, 2, 3, 2, 1) if number != erased]
        assert texts(store, LogQuery(search="secret")) == [f"secret {number}" for number in left]
        assert {it.call_id for it in store.facts(StallRecord, ["ta-1"])} == {f"fc-{number}" for number in others}

        store.add(
            RecordBatch(calls=[call(5)], inputs={"fu-1": [ended(0, 5)]}, logs=[lines("later", at=7.0, call=5, index=0)])
        )
        assert texts(store, LogQuery(after=last)) == ["later"]
        assert texts(store, LogQuery(call_id="fc-5")) == ["later"]

    def test_the_next_line_after_erased_ones_is_found_by_its_own_words(self, store: RecordStore) -> None:
        store.add(shop(logs=[lines("first", at=1.0), lines("secret", at=2.0, call=1, index=0)]))
        last = store.logs(LogQuery())[-1].position
        assert store.erase_calls(["fc-1"]) == 1
        store.add(RecordBatch(logs=[lines("next", at=3.0)]))
        assert texts(store, LogQuery(after=last)) == ["next"]
        assert texts(store, LogQuery(search="secret")) == []
        assert texts(store, LogQuery()) == ["first", "next"]

    def test_readers_in_other_threads_see_whole_batches_in_order(self, store: RecordStore) -> None:
        store.add(shop())
        counts: list[list[int]] = [[], []]
        over = threading.Event()

        def read(seen: list[int]) -> None:
            while not over.is_set():
                seen.append(len(store.logs(LogQuery(limit=20_000, search="line"))))

        readers = [threading.Thread(target=read, args=(seen,)) for seen in counts]
        for reader in readers:
            reader.start()
        for _ in range(100):
            store.add(RecordBatch(logs=[lines(*["line"] * 10)]))
        over.set()
        for reader in readers:
            reader.join()
        assert len(store.logs(LogQuery(limit=20_000))) == 1000
        assert all(seen == sorted(seen) and not any(count % 10 for count in seen) for seen in counts)

    def test_closing_twice_is_closing_once(self, store: RecordStore) -> None:
        store.close()
        store.close()


_WORDS = ["alpha", "Beta", "beta", "alphabet", "42", "4"]
_GAPS = [" ", ", ", "-", "_"]
_numbers: Iterator[int] = itertools.count(1000)


def _texts() -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(st.sampled_from(_WORDS), st.sampled_from(_GAPS)), max_size=5)
    return pairs.map(lambda drawn: "".join(word + gap for word, gap in drawn))


def _batches(ids: list[str]) -> st.SearchStrategy[LogBatch]:
    return st.builds(
        LogBatch,
        at=st.integers(0, 5).map(float),
        function_id=st.sampled_from(ids).map("fu-{}".format),
        container_id=st.sampled_from(ids).map("ta-{}".format),
        call_id=st.sampled_from(ids).map("fc-{}".format),
        index=st.integers(0, 2),
        source=st.sampled_from(["stdout", "stderr", "system"]),
        lines=st.lists(_texts(), max_size=4),
    )


def _queries(number: int, ids: list[str]) -> st.SearchStrategy[LogQuery]:
    def maybe(prefix: str) -> st.SearchStrategy[str | None]:
        return st.none() | st.sampled_from(ids).map(lambda each: prefix + each)

    return st.builds(
        LogQuery,
        app=st.sampled_from([f"ap-{number}", f"app-{number}"]),
        function=maybe("fu-") | maybe("name-"),
        call_id=maybe("fc-"),
        input_id=st.none() | st.sampled_from(ids).flatmap(lambda each: st.integers(0, 2).map(f"in-{each}-{{}}".format)),
        container_id=maybe("ta-"),
        sources=st.sampled_from([(), ("stdout",), ("stderr", "system")]),
        search=st.none() | _texts(),
        since=st.none() | st.integers(0, 2).map(float),
        until=st.none() | st.integers(2, 5).map(float),
        newest=st.booleans(),
        limit=st.sampled_from([1, 3, 100]),
    )


def _is_wanted(batch: LogBatch, text: str, query: LogQuery) -> bool:
    same = {
        query.function: (batch.function_id, batch.function_id.replace("fu-", "name-")),
        query.call_id: (batch.call_id,),
        query.container_id: (batch.container_id,),
        query.input_id: (input_id(batch.call_id, batch.index),),
    }
    return (
        all(asked is None or asked in values for asked, values in same.items())
        and (not query.sources or batch.source in query.sources)
        and (query.since is None or batch.at >= query.since)
        and (query.until is None or batch.at <= query.until)
        and (query.search is None or _has(text, query.search))
    )


def _has(text: str, search: str) -> bool:
    have, wanted = (re.findall(r"[^\W_]+", each.lower()) for each in (text, search))
    if not wanted:
        return search in text
    *whole, last = wanted
    windows = (have[start : start + len(wanted)] for start in range(len(have) - len(whole)))
    return any(it[:-1] == whole and (it[-1] == last or (len(last) >= 3 and it[-1].startswith(last))) for it in windows)
