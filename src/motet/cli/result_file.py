"""`motet run --write-result FILE`: which results can be written, as far as that is known before, and writing them."""

from __future__ import annotations

import collections.abc
import contextlib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Union

import click

_WRITABLE = (str, bytes, bytearray, memoryview)
_STREAMS = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)


class ResultRefused(click.ClickException):
    """A result cannot be written to the file: it is neither text nor bytes, or the file does not take it."""


def check_result(raw: Callable[..., Any], name: str, path: Path) -> None:
    """Raises `click.UsageError` if what a function is annotated to return cannot be written, or nothing can be, there."""
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"--write-result {path}: there is no directory {str(path.parent)!r}.")
    annotation = _returned(raw)
    if not _may_be_written(annotation):
        shown = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        raise click.UsageError(f"--write-result takes str or bytes; {name} returns {shown}.")


def _returned(raw: Callable[..., Any]) -> Any:
    """The annotation of a result, or of the items of a generator; Any where there is none that can be evaluated."""
    function = inspect.unwrap(raw)
    try:
        annotation = typing.get_type_hints(function).get("return", Any)
    except Exception:
        return Any
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        is_known = typing.get_origin(annotation) in _STREAMS and typing.get_args(annotation)
        return typing.get_args(annotation)[0] if is_known else Any
    return annotation


def write_results(name: str, results: Iterable[Any], path: Path) -> None:
    """Write what a function returned, or the items of a generator one after the other. The file is made with the first of
    them. Raises `ResultRefused`."""
    with contextlib.ExitStack() as exits:
        file = None
        for result in results:
            if not isinstance(result, _WRITABLE):
                raise ResultRefused(
                    f"--write-result takes str or bytes; {name} gave {type(result).__name__}: {result!r:.200}"
                )
            with _told_on_one_line(path):
                file = file or exits.enter_context(path.open("wb", buffering=0))
                view = memoryview(
                    result.encode("utf-8", "backslashreplace") if isinstance(result, str) else result
                ).cast("B")
                while view:
                    view = view[file.write(view) :]
        if file is None:
            with _told_on_one_line(path):
                path.write_bytes(b"")


@contextlib.contextmanager
def _told_on_one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultRefused(f"cannot write {path}: {error.strerror or error}") from error


def _may_be_written(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(map(_may_be_written, typing.get_args(annotation)))
    if origin is Literal:
        return any(isinstance(value, _WRITABLE) for value in typing.get_args(annotation))
    if origin is typing.Annotated:
        return _may_be_written(typing.get_args(annotation)[0])
    if origin is not None:
        annotation = origin
    if annotation is Any or not isinstance(annotation, type):
        return True
    # A base of them, such as object or Sequence, may be one of them.
    return issubclass(annotation, _WRITABLE) or any(issubclass(each, annotation) for each in _WRITABLE)
