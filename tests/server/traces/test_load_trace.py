from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from motet.core.engine import Engine
from motet.core.events import Event, TimerFired
from motet.errors import InvalidError
from motet.model.outcome import OutcomeKind
from motet.server.config import ServerConfig
from motet.server.traces.load_trace import LoadTrace
from motet.simulation.trace_file import parse_trace
from motet.testing.playbook import text_failure
from motet.testing.transcript import cancel, ended, finished, function, ready, submit


class Play:
    """An engine, and the trace of what it was told."""

    def __init__(self, directory: Path) -> None:
        self._engine = Engine(failure=text_failure)
        self.trace = LoadTrace(directory)

    def handle(self, events: Sequence[Event], now: float) -> None:
        self.trace.turned(events, self._engine.handle(events, now), now)


def recorded(play: Play, directory: Path) -> dict[str, list[tuple[float, float]]]:
    """The traces it wrote, as `motet simulate` reads them."""
    play.trace.save()
    paths = [path for path in directory.iterdir() if not path.name.endswith(".containers.csv")]
    traces = {path.name: parse_trace(path.read_text().splitlines(), path.name) for path in paths}
    return {name: list(zip(trace.arrivals, trace.durations or (), strict=True)) for name, trace in traces.items()}


def test_an_inputs_arrival_and_the_duration_of_its_attempt_are_recorded(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.handle([function("f", max_inputs=2)], 100.0)
    play.handle([submit("a", 2)], 101.5)
    play.handle(ready(1), 103.0)
    play.handle([finished(1, 2)], 103.25)
    play.handle([finished(1, 1)], 104.0)
    assert recorded(play, tmp_path) == {"f.csv": [(1.5, 0.25), (1.5, 1.0)]}


def test_of_an_input_that_ran_more_than_once_the_last_attempt_counts(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.handle([function("f", retries=1)], 0.0)
    play.handle([submit("a", 1)], 1.0)
    play.handle(ready(1), 2.0)
    play.handle([finished(1, 1, kind=OutcomeKind.FAILURE)], 2.5)
    play.handle([TimerFired()], 4.0)
    play.handle([finished(1, 2)], 4.75)
    assert recorded(play, tmp_path) == {"f.csv": [(1.0, 0.75)]}


def test_an_attempt_whose_container_died_has_no_duration(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.handle([function("f")], 0.0)
    play.handle([submit("a", 1)], 1.0)
    play.handle(ready(1), 2.0)
    play.handle([ended(1)], 2.5)
    play.handle(ready(2), 3.0)
    play.handle([finished(2, 2)], 3.5)
    assert recorded(play, tmp_path) == {"f.csv": [(1.0, 0.5)]}


def test_what_was_cancelled_is_not_recorded(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.handle([function("f")], 0.0)
    play.handle([submit("a", 1), submit("b", 1)], 1.0)
    play.handle(ready(1), 2.0)
    play.handle([cancel("a"), cancel("b")], 3.0)
    play.handle([finished(1, 1)], 4.0)
    assert recorded(play, tmp_path) == {}


def test_functions_of_one_name_get_files_of_their_own(tmp_path: Path) -> None:
    play = Play(tmp_path)
    for name in ("f", "g"):
        event = function(name)
        play.handle([type(event)(event.function_id, event.app_id, function("<f>").spec)], 0.0)
        play.handle([submit(name, 1, function=name)], 1.0)
    play.handle(ready(1, 2), 1.0)
    play.handle([finished(1, 1), finished(2, 2)], 2.0)
    assert recorded(play, tmp_path) == {"_f_.csv": [(1.0, 1.0)], "_f_-2.csv": [(1.0, 1.0)]}


def test_the_life_of_each_container_is_recorded(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.handle([function("f", scaledown_window=10.0)], 100.0)
    play.handle([submit("a", 2)], 101.0)
    play.handle(ready(1), 103.0)
    play.handle([ended(2)], 104.0)
    play.handle([finished(1, 1)], 104.5)
    play.handle([finished(1, 2)], 105.0)
    play.handle([TimerFired()], 115.0)
    play.handle([ended(1)], 115.25)
    play.trace.save()
    assert (tmp_path / "f.containers.csv").read_text().splitlines() == [
        "wanted,ready,told,ended",
        "1.000000,3.000000,15.000000,15.250000",
        "1.000000,,,4.000000",
    ]


def test_the_directory_for_traces_is_made_or_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTET_TRACE", str(tmp_path / "a" / "b"))
    assert ServerConfig.from_environment().trace_directory == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOTET_TRACE", str(tmp_path / "file"))
    with pytest.raises(InvalidError, match="MOTET_TRACE names a directory"):
        ServerConfig.from_environment()
    monkeypatch.setenv("MOTET_TRACE", "")
    assert ServerConfig.from_environment().trace_directory is None
