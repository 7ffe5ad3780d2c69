"""Questions that cannot be answered are refused before anybody looks."""

from __future__ import annotations

import math

import pytest

from motet.errors import InvalidError
from motet.records.queries import CallQuery, InputQuery, LogQuery


@pytest.mark.parametrize("query", [CallQuery, InputQuery, LogQuery])
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"limit": 0}, "between 1 and 20000 records can be asked for at once, got 0"),
        ({"limit": 20_001}, "got 20001"),
        ({"since": 5.0, "until": 4.0}, r"`since` \(5.0\) must not be later than `until` \(4.0\)"),
        ({"since": math.nan}, "`since` must be a moment in seconds since the epoch, got nan"),
        ({"until": math.inf}, "`until` must be a moment in seconds since the epoch, got inf"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    query: type[CallQuery | InputQuery | LogQuery], asked: dict[str, float], told: str
) -> None:
    with pytest.raises(InvalidError, match=told):
        query(**asked)  # type: ignore[arg-type]


def test_text_to_search_for_has_a_limit() -> None:
    assert LogQuery(search="x" * 10_000).search == "x" * 10_000
    with pytest.raises(InvalidError, match="at most 10000 characters can be searched for, got 10001"):
        LogQuery(search="x" * 10_001)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, math.nan, math.inf])
def test_where_to_go_on_is_a_number_that_a_store_takes(value: float) -> None:
    for query, name in (
        (LogQuery, "after"),
        (CallQuery, "before"),
        (InputQuery, "before"),
        (InputQuery, "after_index"),
    ):
        with pytest.raises(InvalidError, match=f"`{name}` must be a number of 64 bits, got"):
            query(**{name: value})
    assert LogQuery(after=2**63 - 1).after == 2**63 - 1
