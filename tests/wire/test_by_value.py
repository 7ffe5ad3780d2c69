"""What is said of code that the other side could not load if it travelled by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cloudpickle
import pytest

from motet.errors import VersionError
from motet.model.version import VERSION
from motet.wire import payload
from motet.wire.by_value import ByValue, refusal_of
from motet.wire.hello import PYTHON, Agreed


@dataclass
class Point:
    x: int


class Empty:
    pass


def double(x: int) -> int:
    return 2 * x


def minor_of(version: str) -> str:
    return ".".join(version.split(".")[:2])


@pytest.mark.parametrize(
    "theirs",
    [
        Agreed(1),  # a server that does not say
        Agreed(1, PYTHON, cloudpickle.__version__, VERSION),
        Agreed(
            1, f"{minor_of(PYTHON)}.99", f"{cloudpickle.__version__.partition('.')[0]}.99", f"{minor_of(VERSION)}.99"
        ),
    ],
)
def test_the_same_minor_versions_load_what_travels_by_value(theirs: Agreed) -> None:
    assert refusal_of(theirs) == ""


@pytest.mark.parametrize(
    ("theirs", "there", "here"),
    [
        (Agreed(1, "3.9.1"), "Python 3.9.1", f"Python {PYTHON}"),
        (Agreed(1, PYTHON, "1.6.0"), "cloudpickle 1.6.0", f"cloudpickle {cloudpickle.__version__}"),
        (Agreed(1, PYTHON, cloudpickle.__version__, "7.8.9"), "Motet 7.8.9", f"Motet {VERSION}"),
    ],
)
def test_others_do_not_and_the_reason_says_which_and_what_to_do(theirs: Agreed, there: str, here: str) -> None:
    assert refusal_of(theirs).startswith(
        f"the server's containers have {there}, which cannot load it from {here}: put it"
    )


@pytest.mark.parametrize("value", [lambda x: x, Point, Point(3), Empty(), double, [{"deep": Point(1)}]])
def test_code_that_would_travel_by_value_is_refused_where_it_cannot_be_loaded(value: Any) -> None:
    by_value = ByValue(modules=frozenset({__name__}), refusal="it cannot")
    with pytest.raises(
        VersionError, match=rf"^could not send the arguments of f: {__name__}\..* by value, and it cannot$"
    ):
        payload.dumps(value, "the arguments of f", by_value)
    payload.dumps(value, "the arguments of f", ByValue(modules=frozenset({__name__})))


@pytest.mark.parametrize("value", [1, [("a", {"b": 2.5})], Point(3), double, int])
def test_data_and_what_the_other_side_imports_goes_there_all_the_same(value: Any) -> None:
    assert payload.loads(payload.dumps(value, "x", ByValue(refusal="it cannot")), "x") == value
