"""Whatever its class looks like, an exception arrives as one of that class, and what of it can be pickled comes along."""

from __future__ import annotations

import asyncio
import copyreg
import dataclasses
import sys
import threading
import types
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pydantic
import pytest

from motet import errors
from motet.wire import exception_payload, failure
from motet.wire.left_behind import LeftBehind

LIMIT = 2**20


class ApiError(Exception):
    """As those of libraries for HTTP: what it needs is given by keywords, and not a part of `args`."""

    made = 0

    def __init__(self, message: str, *, status: int) -> None:
        type(self).made += 1
        super().__init__(message)
        self.status = status


class Doubling(Exception):
    """Pickles, and says something else when it is unpickled by calling its class."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")


@dataclasses.dataclass(frozen=True)
class Rejected(Exception):
    code: int = 0


@dataclasses.dataclass
class Refused(Exception):
    code: int


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted(Exception):
    code: int
    text: str = ""


class Guarded(Exception):
    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("read only")


class Choosy(Exception):
    def __new__(cls, *, code: int) -> Choosy:
        error = super().__new__(cls, code)
        error.code = code  # type: ignore[attr-defined]
        return error

    def __init__(self, *, code: int) -> None:
        pass


class Holding(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()
        self.text = text


class OwnWay(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a}-{b}")
        self.a, self.b, self.calls = a, b, ["init"]

    def __reduce__(self) -> tuple[Any, ...]:
        return (OwnWay, (self.a, self.b))


class WrongWay(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        raise RuntimeError("not like this")


class OwnState(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:  # type: ignore[override]
        return {"text": self.args[0]}


class WrongState(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = 7

    def __getstate__(self) -> dict[str, Any]:  # type: ignore[override]
        raise RuntimeError("not like this")


class Missing(OSError):
    def __init__(self, code: int, text: str, *, path: str) -> None:
        super().__init__(code, text, path)
        self.path = path


class Failed(ExceptionGroup[Exception]):
    def __new__(cls, code: int, errors: list[Exception]) -> Failed:
        group = super().__new__(cls, f"failed with {code}", errors)
        group.code = code  # type: ignore[attr-defined]
        return group


class Proxy(Mapping[str, str]):
    """As the headers of a response: a mapping that cannot be pickled, and whose copy can."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("can't pickle Proxy objects")

    def copy(self) -> dict[str, str]:
        return dict(self._values)


@dataclasses.dataclass(frozen=True)
class Request:
    url: str
    headers: Mapping[str, str]


class Session:
    ended = 0

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __del__(self) -> None:
        Session.ended += 1


class ResponseError(Exception):
    """Has what cannot be pickled in its `args`, and its text from there."""

    def __init__(self, request: Request, history: tuple[Any, ...], *, status: int = 0, headers: Any = None) -> None:
        super().__init__(request, history)
        self.request, self.history, self.status, self.headers = request, history, status, headers

    def __str__(self) -> str:
        return f"{self.status}, url={self.request.url}"


class Quits(BaseException):
    pass


class Unteachable(Exception):
    """Refuses subclasses that nobody wrote, and has no text without what cannot be pickled."""

    def __init_subclass__(cls, *, reason: str) -> None:
        raise TypeError("no subclasses")

    def __str__(self) -> str:
        return f"locked: {self.__dict__['lock'].locked()}"


def travelled(error: BaseException) -> Any:
    try:
        raise error
    except BaseException as caught:
        return failure.rebuild(failure.describe(caught).encoded())


def test_a_class_that_takes_keywords_is_not_called_and_keeps_its_attributes() -> None:
    error = ApiError("too many requests", status=429)
    made = ApiError.made
    arrived = travelled(error)
    assert (type(arrived), arrived.args, vars(arrived)) == (ApiError, ("too many requests",), {"status": 429})
    assert ApiError.made == made


def test_a_class_with_another_signature_says_what_it_said() -> None:
    assert str(travelled(Doubling(5))) == "code 5"


@pytest.mark.parametrize("error", [Rejected(), Rejected(3), Refused(code=3), Choosy(code=3)])
def test_dataclasses_frozen_ones_and_classes_that_are_made_in_their_own_way_arrive(error: Any) -> None:
    arrived = travelled(error)
    assert (type(arrived), arrived.code, arrived.args) == (type(error), error.code, error.args)
    assert isinstance(arrived.__cause__, errors.RemoteTraceback)


def test_slots_are_kept() -> None:
    arrived = travelled(Slotted(4, "four"))
    assert (type(arrived), arrived.code, arrived.text) == (Slotted, 4, "four")


def test_a_class_that_refuses_attributes_has_a_cause_all_the_same() -> None:
    arrived = travelled(Guarded("no"))
    assert (type(arrived), str(arrived)) == (Guarded, "no")
    assert isinstance(arrived.__cause__, errors.RemoteTraceback)


def test_what_cannot_be_pickled_stays_behind_and_the_rest_comes_along() -> None:
    arrived = travelled(Holding("busy"))
    assert (type(arrived), str(arrived), vars(arrived)) == (Holding, "busy", {"text": "busy"})


def test_a_generator_and_a_lock_among_the_args_are_stood_in_for() -> None:
    arrived = travelled(ValueError("bad", threading.Lock(), (it for it in ())))
    assert (type(arrived), arrived.args[0]) == (ValueError, "bad")
    assert repr(arrived.args[1]).startswith("<unlocked _thread.lock")
    with pytest.raises(AttributeError, match="a lock could not be pickled"):
        arrived.args[1].acquire()


def test_an_error_that_has_its_text_from_what_cannot_be_pickled_says_it() -> None:
    headers = Proxy({"Retry-After": "3"})
    request = Request("http://here/", headers)
    ended = Session.ended
    arrived = travelled(ResponseError(request, (Session(),), status=429, headers=headers))
    assert (type(arrived), str(arrived), arrived.headers) == (
        ResponseError,
        "429, url=http://here/",
        {"Retry-After": "3"},
    )
    assert arrived.request.headers["Retry-After"] == "3"
    assert isinstance(arrived.history[0], LeftBehind)
    assert Session.ended <= ended + 1  # no half of it was made, whose end would do something


def test_a_way_of_the_classs_own_is_taken_if_it_works() -> None:
    error = OwnWay(1, 2)
    error.add_note("noted")
    error.calls.append("raised")
    arrived = travelled(error)
    assert (type(arrived), arrived.calls, arrived.__notes__) == (OwnWay, ["init"], ["noted"])
    assert str(travelled(WrongWay("text"))) == "text"
    assert vars(travelled(OwnState("text"))) == {"text": "text"}


def test_a_class_that_cannot_tell_its_state_arrives_with_its_attributes() -> None:
    arrived = travelled(WrongState("quota"))
    assert (type(arrived), str(arrived), arrived.code) == (WrongState, "quota", 7)


def test_a_registered_reducer_is_used() -> None:
    class Registered(Exception):
        pass

    copyreg.pickle(Registered, lambda error: (Doubling, (7,)))  # type: ignore[arg-type]
    try:
        assert type(travelled(Registered("code 7"))) is Doubling
    finally:
        del copyreg.dispatch_table[Registered]


def test_builtin_errors_keep_their_fields() -> None:
    missing = travelled(Missing(2, "No such file", path="/x"))
    assert (type(missing), missing.errno, missing.filename, missing.path) == (Missing, 2, "/x", "/x")
    assert str(missing) == "[Errno 2] No such file: '/x'"
    assert type(travelled(FileNotFoundError(2, "gone", "/y"))) is FileNotFoundError
    assert travelled(StopIteration(5)).value == 5
    assert travelled(ImportError("no", name="n", path="p")).path == "p"
    decode = travelled(UnicodeDecodeError("utf-8", b"k\x99", 1, 2, "bad"))
    assert (decode.object, str(decode)) == (b"k\x99", "'utf-8' codec can't decode byte 0x99 in position 1: bad")
    assert travelled(SyntaxError("bad", ("f", 3, 1, "x"))).lineno == 3
    assert travelled(KeyError("k")).args == ("k",)
    assert travelled(AttributeError("no", name="nothing", obj=sys)).name == "nothing"


def test_what_ends_a_program_arrives_as_itself() -> None:
    assert travelled(SystemExit(3)).code == 3
    assert type(travelled(Quits("now"))) is Quits


def test_a_cancelled_error_is_not_taken_for_the_cancellation_of_its_caller() -> None:
    """Task groups and `gather` drop the tasks that end with one without a word."""
    arrived = travelled(asyncio.CancelledError("x"))
    assert type(arrived) is errors.RemoteError
    assert "CancelledError: x" in str(arrived)


def test_causes_contexts_and_notes_are_kept_behind_the_remote_traceback() -> None:
    try:
        try:
            try:
                raise KeyError("first")
            except KeyError as first:
                first.add_note("noted")
                raise ApiError("second", status=1) from first
        except ApiError:
            raise ValueError("third")  # noqa: B904
    except ValueError as error:
        arrived = travelled(error)
    assert isinstance(arrived.__cause__, errors.RemoteTraceback)
    second = arrived.__context__
    assert (type(second), second.status) == (ApiError, 1)
    assert (type(second.__cause__), second.__cause__.__notes__) == (KeyError, ["noted"])

    try:
        raise ValueError("outer") from KeyError("inner")
    except ValueError as error:
        arrived = travelled(error)
    for hop in range(2):
        assert isinstance(arrived.__cause__, errors.RemoteTraceback)
        assert "ValueError: outer" in str(arrived.__cause__)
        assert type(arrived.__cause__.__cause__) is KeyError, hop
        arrived = travelled(arrived)


def test_a_circle_of_causes_arrives() -> None:
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    arrived = travelled(one)
    assert type(arrived) is ValueError
    assert type(arrived.__cause__.__cause__) is KeyError


def test_a_long_chain_and_a_deep_attribute_do_not_keep_an_exception_from_arriving() -> None:
    error = ValueError("0")
    for number in range(3000):
        error, error.__context__ = ValueError(str(number)), error
    deep: list[Any] = []
    for _ in range(3000):
        deep = [deep]
    error.deep = deep  # type: ignore[attr-defined]
    assert (type(travelled(error)), str(travelled(error))) == (ValueError, "2999")


def test_groups_arrive_with_what_they_hold_also_those_of_a_class_of_their_own() -> None:
    arrived = travelled(Failed(7, [ApiError("a", status=1), Holding("b"), ExceptionGroup("in", [KeyError("c")])]))
    assert (type(arrived), arrived.code, arrived.message) == (Failed, 7, "failed with 7")
    api, holding, inner = arrived.exceptions
    assert (api.status, holding.text, type(inner.exceptions[0])) == (1, "b", KeyError)
    matching, rest = arrived.split(ApiError)
    assert [type(it) for it in matching.exceptions] == [ApiError]
    assert type(rest) is ExceptionGroup


def test_a_class_that_cannot_be_put_together_gives_an_error_that_is_both() -> None:
    error = Unteachable("x")
    vars(error).update(lock=threading.Lock(), code=3)
    arrived = travelled(error)
    assert isinstance(arrived, Unteachable)
    assert isinstance(arrived, errors.RemoteError)
    assert (str(arrived), arrived.code, arrived.args) == ("locked: False", 3, ("x",))
    again = travelled(arrived)
    assert isinstance(again, Unteachable)
    assert (str(again), again.code) == ("locked: False", 3)


def test_an_exception_over_the_limit_arrives_without_what_is_large() -> None:
    error = ApiError("short", status=5)
    error.body = bytes(2 * LIMIT)  # type: ignore[attr-defined]
    data = exception_payload.dumps(error, "short", LIMIT)
    assert data is not None
    arrived = exception_payload.loads(data)
    assert (type(arrived), vars(arrived)) == (ApiError, {"status": 5})


def test_a_group_over_the_limit_arrives_without_what_is_large() -> None:
    small, large = ApiError("small", status=1), ApiError("large", status=2)
    large.body = bytes(2 * LIMIT)  # type: ignore[attr-defined]
    group = ExceptionGroup("both", [small, ExceptionGroup("inner", [large])])
    data = exception_payload.dumps(group, "both", LIMIT)
    assert data is not None
    arrived: Any = exception_payload.loads(data)
    (inner,) = arrived.exceptions[1].exceptions
    assert (arrived.exceptions[0].status, type(inner), vars(inner)) == (1, ApiError, {"status": 2})


class Odd(Exception):
    args = property(lambda self: 1 / 0)  # type: ignore[assignment]

    @property
    def code(self) -> int:
        raise RuntimeError("not now")


def test_what_a_class_makes_of_its_own_args_does_not_matter() -> None:
    arrived = travelled(Odd("text"))
    assert type(arrived) is Odd
    assert BaseException.args.__get__(arrived) == ("text",)  # type: ignore[attr-defined]


def test_a_part_of_a_module_that_is_not_here_does_not_keep_the_exception_from_arriving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("only_over_there")
    exec("class Detail: pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_over_there", module)
    error = ApiError("text", status=1)
    error.detail = module.Detail()  # type: ignore[attr-defined]
    encoded = failure.describe(error).encoded()
    monkeypatch.delitem(sys.modules, "only_over_there")
    arrived: Any = failure.rebuild(encoded)
    assert (type(arrived), arrived.status, repr(arrived.detail)) == (ApiError, 1, "<only_over_there.Detail>")


def test_the_errors_of_httpx_arrive_as_themselves() -> None:
    request = httpx.Request("GET", "http://here/")
    response = httpx.Response(503, request=request, headers={"Retry-After": "3"}, content=b"busy")
    arrived = travelled(httpx.HTTPStatusError("Server error", request=request, response=response))
    assert type(arrived) is httpx.HTTPStatusError
    assert (arrived.response.status_code, arrived.response.headers["retry-after"], arrived.response.text) == (
        503,
        "3",
        "busy",
    )
    assert arrived.request.url == "http://here/"
    assert type(travelled(httpx.ConnectTimeout("slow", request=request))) is httpx.ConnectTimeout


class Form(pydantic.BaseModel):
    age: int
    name: str


@pytest.mark.parametrize("name", [5, threading.Lock()])
def test_the_errors_of_pydantic_arrive_as_themselves_whatever_was_validated(name: object) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Form(age="x", name=name)  # type: ignore[arg-type]
    arrived = travelled(caught.value)
    assert type(arrived) is pydantic.ValidationError
    assert [it["loc"] for it in arrived.errors()] == [("age",), ("name",)]
    assert str(arrived).splitlines()[:2] == str(caught.value).splitlines()[:2]


def test_an_error_of_a_class_that_its_library_made_up_is_caught_by_its_parent() -> None:
    made_up = type("NoSuchKey", (ApiError,), {"__module__": "botocore.errorfactory"})
    arrived = travelled(made_up("gone", status=404))
    assert isinstance(arrived, ApiError)
    assert (type(arrived).__name__, arrived.status) == ("NoSuchKey", 404)


def test_a_class_made_in_a_function_arrives_as_itself_and_keeps_its_members() -> None:
    class Local(Exception):
        lock = threading.Lock()
        count = 0

        def __init__(self, *, code: int) -> None:
            self.code = code

    Local.count = 5
    lock = Local.lock
    arrived = travelled(Local(code=2))
    assert (type(arrived), arrived.code, Local.count) == (Local, 2, 5)
    assert Local.lock is lock
