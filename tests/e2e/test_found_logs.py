"""What calls wrote, found again from Python, on real containers."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import motet
from motet.errors import InvalidError, NotFoundError
from tests.e2e.programs import found_logs
from tests.e2e.programs.found_logs import app, say, say_and_wait


def test_a_calls_logs_are_its_own_whoever_ran_beside_it() -> None:
    with app.run():
        calls = [say.spawn(f"word{number}", 3) for number in range(8)]
        motet.FunctionCall.gather(*calls)
        for number, call in enumerate(calls):
            assert [entry.message for entry in call.logs] == [f"word{number} {line}" for line in range(3)]


def test_a_calls_logs_stream_until_its_inputs_have_ended() -> None:
    with app.run():
        call = say_and_wait.spawn(5)
        streamed = [(entry.message, entry.source, entry.input_id) for entry in call.logs.stream()]
        input_id = f"in-{call.object_id[3:]}-0"
        assert streamed == [(f"line {number}", "stdout", input_id) for number in range(5)]


def test_an_async_caller_streams_without_blocking_its_loop() -> None:
    async def main() -> list[str]:
        async with app.run():
            call = await say_and_wait.spawn.aio(3)
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0.01)

            ticker = asyncio.create_task(tick())
            found = [entry.message async for entry in call.logs.stream.aio()]
            ticker.cancel()
            assert ticks > 5
            return found

    assert asyncio.run(main()) == ["line 0", "line 1", "line 2"]


def test_the_logs_of_one_input_are_found_by_its_index_and_by_its_id() -> None:
    with app.run():
        call = say.experimental_spawn_map([f"w{number}" for number in range(4)], [1] * 4)
        list(call.iter())
        assert [entry.message for entry in call.logs.input(2)] == ["w2 0"]
        assert [entry.message for entry in app.logs.input(f"in-{call.object_id[3:]}-3")] == ["w3 0"]


def test_a_message_with_the_input_id_is_found_by_searching_for_it() -> None:
    with app.run():
        input_id = found_logs.say_id.remote()
        found_logs.say_id.remote()
        assert [entry.message for entry in app.logs.fetch(search=input_id)] == [f"working on {input_id}"]
        assert found_logs.say_id.logs.fetch(search="working on", limit=1)[0].input_id != input_id


def test_logs_need_a_running_app_and_what_is_asked_for_must_make_sense() -> None:
    with pytest.raises(InvalidError, match="requires a running app"):
        _ = app.logs
    with app.run():
        with pytest.raises(InvalidError, match="'stdin'"):
            app.logs.fetch(source="stdin")  # type: ignore[arg-type]
        with pytest.raises(InvalidError, match="`since` must be a datetime, not"):
            app.logs.fetch(since="5m")  # type: ignore[arg-type]
        with pytest.raises(InvalidError, match="in-x"):
            app.logs.input("in-x")
        with pytest.raises(InvalidError, match="between 1 and"):
            app.logs.fetch(limit=0)


def test_without_records_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTET_RECORDS", "off")
    with app.run(), pytest.raises(NotFoundError, match="MOTET_RECORDS"):
        app.logs.fetch()


def test_a_home_that_cannot_be_written_costs_the_records_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOTET_HOME", str(tmp_path / "file"))
    with app.run():
        assert say.remote("x", 1) == "x"
    assert "nothing of this run is kept" in caplog.text


def test_functions_of_one_name_find_their_own_lines() -> None:
    twice = motet.App("twice")
    with warnings.catch_warnings(action="ignore"):
        speakers = [twice.function(name="speak", serialized=True)(_speaker(word)) for word in ("old", "new")]
    with twice.run():
        for speaker in speakers:
            speaker.remote()
        assert [[it.message for it in speaker.logs.fetch(source="stdout")] for speaker in speakers] == [
            ["old"],
            ["new"],
        ]


def _speaker(word: str) -> Callable[[], None]:
    def speak() -> None:
        print(word)

    return speak
