"""Failures: an exception arrives as itself where it can, as text in any case, and never harms the caller."""

from __future__ import annotations

import importlib
import os
import sys
import types
from asyncio import CancelledError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet import errors
from motet.wire import failure, report


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def travelled(error: BaseException, **options: Any) -> BaseException:
    return failure.rebuild(failure.describe(raised(error), **options).encoded())


def test_an_exception_arrives_as_itself_with_the_remote_traceback_as_its_cause() -> None:
    error = travelled(ValueError("bad", 7))
    assert type(error) is ValueError
    assert error.args == ("bad", 7)
    assert isinstance(error.__cause__, errors.RemoteTraceback)
    assert "in raised" in str(error.__cause__)
    assert "ValueError: ('bad', 7)" in str(error.__cause__)


def test_notes_are_kept() -> None:
    error = ValueError("bad")
    error.add_note("while doing this")
    arrived = travelled(error)
    assert arrived.__notes__ == ["while doing this"]
    assert "while doing this" in str(arrived.__cause__)


def test_attributes_are_kept() -> None:
    error = KeyError("k")
    error.extra = {"a": 1}  # type: ignore[attr-defined]
    assert travelled(error).extra == {"a": 1}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(errors.NAMES))
def test_every_error_of_ours_travels(name: str) -> None:
    kind = getattr(errors, name)
    assert type(travelled(kind("text"))) is kind


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit("x"), CancelledError()])
def test_what_would_tell_the_callers_program_something_untrue_arrives_as_a_remote_error(error: BaseException) -> None:
    arrived = travelled(error)
    assert type(arrived) is errors.RemoteError
    assert type(error).__name__ in str(arrived)


def test_an_exception_of_a_module_that_is_not_here_arrives_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("only_over_there")
    exec("class TheirError(Exception): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_over_there", module)
    encoded = failure.describe(raised(module.TheirError("text"))).encoded()
    monkeypatch.delitem(sys.modules, "only_over_there")
    arrived = failure.rebuild(encoded)
    assert type(arrived) is errors.ExecutionError
    assert "Could not deserialize remote exception due to local error: ModuleNotFoundError" in str(arrived)
    assert "only_over_there.TheirError: text" in str(arrived)
    assert "TheirError" in str(arrived.__cause__)


def test_an_exception_without_a_text_does_not_break_the_report() -> None:
    arrived = travelled(Unprintable())
    assert type(arrived) is Unprintable
    assert "Unprintable" in str(arrived.__cause__)


def test_a_traceback_of_endless_recursion_is_kept_short() -> None:
    def forever(depth: int) -> int:
        return forever(depth + 1)

    try:
        forever(0)
    except RecursionError as error:
        described = failure.describe(error)
    assert len(described.traceback) <= failure.MAX_TEXT + 20
    assert type(failure.rebuild(described.encoded())) is RecursionError


def test_a_long_message_is_cut_and_arrives_whole_with_its_exception() -> None:
    described = failure.describe(raised(ValueError("x" * (3 * 2**20))))
    assert len(str(failure.rebuild(described.encoded()))) == 3 * 2**20
    assert len(described.message) < 2 * failure.MAX_TEXT
    assert len(described.traceback) < 2 * failure.MAX_TEXT


def test_leading_frames_of_our_own_are_left_out() -> None:
    shown = failure.describe(raised(ValueError("bad"))).traceback
    hidden = failure.describe(raised(ValueError("bad")), hidden=__file__).traceback
    assert "in raised" in shown
    assert hidden.count("File") == 1  # the last frame stays, whoever's it is


def test_a_failure_that_was_never_raised_has_a_type_and_a_text() -> None:
    arrived = failure.rebuild(report.of(errors.FunctionTimeoutError("too slow")))
    assert type(arrived) is errors.FunctionTimeoutError
    assert str(arrived) == "too slow"
    assert arrived.__cause__ is None


def test_text_that_is_not_utf8_is_told() -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    error = ValueError(f"cannot read {name}")
    error.add_note(name)
    arrived = travelled(error)
    assert (type(arrived), arrived.args, arrived.__notes__) == (ValueError, (f"cannot read {name}",), [name])
    assert "cannot read caf\\udce9.txt" in str(arrived.__cause__)
    described = report.read(report.of(errors.NotFoundError(name)))
    assert described.message == "caf\\udce9.txt"


def test_the_name_that_main_has_in_containers_is_not_shown() -> None:
    kind = type("Refused", (Exception,), {"__module__": "__mp_main__"})
    described = failure.describe(raised(kind("no")))
    assert described.type_name == "Refused"
    assert described.traceback.endswith("\nRefused: no\n")


@given(st.text(), st.lists(st.text(), max_size=2))
def test_any_text_survives(text: str, notes: list[str]) -> None:
    error = RuntimeError(text)
    for note in notes:
        error.add_note(note)
    arrived = travelled(error)
    assert (type(arrived), arrived.args) == (RuntimeError, (text,))


def test_exception_groups_arrive_whole() -> None:
    arrived = travelled(ExceptionGroup("two", [ValueError("a"), KeyError("b")]))
    assert isinstance(arrived, ExceptionGroup)
    assert [type(error) for error in arrived.exceptions] == [ValueError, KeyError]


def test_the_way_of_an_import_is_left_out_of_the_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "breaks_at_import.py").write_text("raise ValueError('no weights')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="no weights") as caught:
        importlib.import_module("breaks_at_import")
    text = failure.describe(caught.value, hidden=__file__).traceback
    assert text.count("File ") == 1
    assert "breaks_at_import.py" in text


def test_a_full_queues_failure_says_when_to_come_again() -> None:
    encoded = report.of(errors.ResourceExhaustedError("full", 2.5))
    assert report.read(encoded).exception is None, "the server pickles nothing"
    arrived = failure.rebuild(encoded)
    assert isinstance(arrived, errors.ResourceExhaustedError)
    assert (str(arrived), arrived.retry_after) == ("full", 2.5)


@pytest.mark.parametrize("error", [errors.NotFoundError("no app 'x'"), errors.ResourceExhaustedError("full", 7.0)])
def test_motets_own_errors_are_told_as_themselves_by_their_text(error: errors.Error) -> None:
    told = failure.told(report.of(error))
    assert (type(told), str(told)) == (type(error), str(error))


@pytest.mark.parametrize(
    "name", ["builtins.eval", "ValueError", "motet.errors.builtins", "motet.errors.InputCancellation"]
)
def test_what_else_is_told_is_a_remote_error(name: str) -> None:
    told = failure.told(report.Failure(name, "why", "", b"no pickle").encoded())
    assert (type(told), str(told)) == (errors.RemoteError, f"{name}: why")
