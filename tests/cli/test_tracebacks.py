from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from motet.cli.run import _status_of
from motet.cli.tracebacks import user_traceback
from motet.client.dual import run_blocking
from motet.errors import InternalError, InvalidError, RemoteTraceback
from motet.model.retries import RetryPolicy

REMOTE = 'Traceback (most recent call last):\n  File "work.py", line 3, in fetch\nValueError: no\n'


def caught(function: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any
        function()
    return caught.value


def test_frames_of_motet_are_left_out() -> None:
    def declare() -> None:
        RetryPolicy(max_retries=-1)

    text = user_traceback(caught(declare))
    assert "in declare" in text
    assert "motet/model" not in text
    assert text.endswith("Function retries must be non-negative.\n")


def test_frames_of_methods_that_were_made_are_left_out_where_motet_called_them() -> None:
    """As those of dataclasses are."""
    made: dict[str, Any] = {}
    exec(compile("def steps():\n    raise ValueError('no')\n    yield", "<string>", "exec"), made)
    error = caught(lambda: run_blocking(made["steps"]()))
    assert 'File "<string>"' in "".join(traceback.format_exception(error))
    assert 'File "<string>"' not in user_traceback(error)


def test_frames_of_the_standard_library_stay_when_the_user_called_it() -> None:
    async def main() -> None:
        raise ValueError("no")

    text = user_traceback(caught(lambda: asyncio.run(main())))
    assert "asyncio/runners.py" in text
    assert "in main" in text


def test_remote_traceback_stands_alone_when_no_local_frame_is_the_users() -> None:
    error = ValueError("no")
    error.__cause__ = RemoteTraceback(REMOTE)
    assert user_traceback(error) == REMOTE


def test_remote_traceback_comes_before_the_users_own_frames() -> None:
    def entrypoint() -> None:
        raise ValueError("no") from RemoteTraceback(REMOTE)

    text = user_traceback(caught(entrypoint))
    assert text.index("in fetch") < text.index("in entrypoint")


def test_error_without_any_frame_of_the_user_is_one_line() -> None:
    assert user_traceback(InvalidError("wrong")) == "motet.errors.InvalidError: wrong\n"


def test_internal_errors_are_shown_in_full() -> None:
    def broken() -> None:
        try:
            RetryPolicy(max_retries=-1)
        except InvalidError as error:
            raise InternalError("broken") from error

    assert "motet/model" in user_traceback(caught(broken))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, 0),
        (SystemExit(), 0),
        (SystemExit(3), 3),
        (SystemExit("message"), 1),
        (ValueError("no"), 1),
        (BrokenPipeError(), 1),
        (asyncio.CancelledError(), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_status_follows_from_how_the_program_ends(error: BaseException | None, status: int) -> None:
    def program() -> None:
        if error is not None:
            raise error

    assert _status_of(program) == status
