"""Filters of an address: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from motet.errors import InvalidError
from motet.model.outcome import OutcomeKind
from motet.server.dashboard.filters import Filters, call_query, input_query, log_query
from motet.server.moments import parse_moment

NOW = 1_750_000_000.0


def filters(**given: str) -> Filters:
    return Filters(given.items(), NOW)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30s", NOW - 30),
        ("5m", NOW - 300),
        ("1.5h", NOW - 5400),
        ("2d", NOW - 172_800),
        ("1749999000.25", 1_749_999_000.25),
        ("2026-01-31T12:00:00+00:00", datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()),
        ("2026-01-31", datetime(2026, 1, 31).timestamp()),
    ],
)
def test_moment_is_so_long_ago_or_a_time(text: str, meant: float) -> None:
    assert parse_moment(text, NOW) == meant


@pytest.mark.parametrize("text", ["5 minutes", "yesterday", "-5m", "5", "2026-13-01", "5m ago", "99999999999999"])
def test_moment_that_is_none_is_refused_with_its_value(text: str) -> None:
    with pytest.raises(InvalidError, match=r"is not a time: say how long ago .30s, 5m, 2h, 1d. or when") as raised:
        parse_moment(text, NOW, "until")
    assert str(raised.value).startswith(f"until={text} ")


def test_log_filters_become_a_query() -> None:
    query = log_query(
        filters(
            function="fetch",
            call="fc-1",
            input="in-1-7",
            container="ta-3",
            source="stderr,system",
            search="not found",
            since="1m",
            limit="7",
        )
    )
    assert (query.function, query.call_id, query.input_id, query.container_id) == ("fetch", "fc-1", "in-1-7", "ta-3")
    assert (query.sources, query.search, query.since, query.limit) == (("stderr", "system"), "not found", NOW - 60, 7)


def test_filters_that_are_empty_are_not_there() -> None:
    assert log_query(filters(search="", call="", since=" ")) == log_query(filters())


def test_kinds_of_outcomes_become_a_query() -> None:
    assert input_query(filters(kind="failure,timed_out"), "fc-1").kinds == (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"call": "in-5"}, "'in-5' is not the id of a call; they begin with fc-"),
        ({"input": "in-5"}, "'in-5' is not an input id; they look like 'in-01hq3v8k2m-0'"),
        ({"container": "../../etc"}, "'../../etc' is not the id of a container; they begin with ta-"),
        ({"source": "stdin"}, "source=stdin is not known; it can be: stdout, stderr, system"),
        ({"limit": "many"}, "limit=many is not a whole number from 1 to 20,000"),
        ({"limit": "0"}, "limit=0 is not a whole number from 1 to 20,000"),
        ({"after": "-1"}, "after=-1 is not a whole number not below 0"),
        ({"since": "1m", "until": "1h"}, "must not be later than"),
        ({"fuction": "fetch"}, "there is no filter 'fuction' here; there is: app, function, call, input"),
        ({"search": "x" * 3000}, "search= has 3,000 characters; 2,000 is the most"),
    ],
)
def test_filter_that_is_wrong_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidError) as raised:
        log_query(filters(**given))
    assert said in str(raised.value)


def test_filters_are_each_named_once() -> None:
    asked = filters(tail="2")
    asked.text("app")
    asked.text("app")
    with pytest.raises(InvalidError, match=r"there is: app$"):
        asked.done()


def test_filter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InvalidError, match="kind= is given twice"):
        call_query(Filters([("kind", "failure"), ("kind", "success")], NOW))
