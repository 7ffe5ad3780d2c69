"""Which results `--write-result` takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest

from motet.cli.result_file import ResultRefused, check_result, write_results

FILE = Path("result")


def returning(annotation: Any) -> Callable[..., Any]:
    def f() -> None: ...

    f.__annotations__["return"] = annotation
    return f


@pytest.mark.parametrize(
    "annotation",
    [str, bytes, memoryview, Any, object, Sequence[str], str | int, None | bytes, Literal["a", 1], Annotated[str, 1],
     "no.such.name", "str"],
)  # fmt: skip
def test_what_may_be_text_or_bytes_is_run(annotation: Any) -> None:
    check_result(returning(annotation), "f", FILE)
    check_result(lambda: 1, "f", FILE)


@pytest.mark.parametrize("annotation", [int, None, list[str], dict, "int", int | None, Literal[1], Annotated[int, 1]])
def test_what_cannot_be_is_refused_before_it_runs(annotation: Any) -> None:
    with pytest.raises(click.UsageError, match="--write-result takes str or bytes; f returns "):
        check_result(returning(annotation), "f", FILE)


def test_of_a_generator_its_items_count() -> None:
    def good() -> Iterator[str]:
        yield ""

    async def bad() -> AsyncIterator[int]:
        yield 1

    check_result(good, "good", FILE)
    with pytest.raises(click.UsageError, match="bad returns int"):
        check_result(bad, "bad", FILE)


def test_text_and_bytes_are_written_one_after_the_other(tmp_path: Path) -> None:
    write_results("f", ["grüße ", b"\xff", bytearray(b"!")], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == "grüße ".encode() + b"\xff!"
    write_results("f", [], tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


def test_another_result_is_refused_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")
    with pytest.raises(ResultRefused, match="--write-result takes str or bytes; f gave int: 42"):
        write_results("f", [42], tmp_path / "file")
    assert (tmp_path / "file").read_text() == "before"


def test_where_no_file_can_be_that_is_told_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=r"there is no directory '.*/nowhere'"):
        check_result(returning(str), "f", tmp_path / "nowhere" / "file")
    with pytest.raises(ResultRefused, match="cannot write /dev/full: No space left on device"):
        write_results("f", ["text"], Path("/dev/full"))


def test_text_with_lone_surrogates_is_written_escaped(tmp_path: Path) -> None:
    write_results("f", ["caf\udce9"], tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"caf\\udce9"
