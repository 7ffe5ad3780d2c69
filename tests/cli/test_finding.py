"""Which thing a text means."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.cli.finding import Candidate, choose
from motet.errors import InvalidError, NotFoundError
from motet.model.ids import checked_id

HOME = Path("/home/of/motet")
THERE = [
    Candidate("ta-01hq00003", ""),
    Candidate("ap-01hq00007", "shop"),
    Candidate("ap-01hq00002", "shop"),
    Candidate("ap-99", "ap-01hq00002"),
]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ap-01hq00007", 1),
        ("shop", 1),
        ("ap-01hq00002", 2),
        ("00003", 0),
        ("ta-01", 0),
        ("ap-01hq00007"[:12], 1),
    ],
)
def test_an_id_or_a_name_or_a_part_that_only_one_has_is_found(text: str, place: int) -> None:
    assert choose(text, THERE, "app", HOME) == place


def test_a_part_that_several_have_is_refused_with_their_ids() -> None:
    with pytest.raises(InvalidError, match=r"'ap-01hq' is a part of the ids of 2 apps; .* ap-01hq00007, ap-01hq00002"):
        choose("ap-01hq", THERE, "app", HOME)


@pytest.mark.parametrize("text", ["shap", "hop", "Shop"])
def test_what_is_not_there_is_told_with_what_was_meant(text: str) -> None:
    with pytest.raises(NotFoundError) as raised:
        choose(text, THERE, "app", HOME)
    assert str(raised.value) == f"no app {text!r} is known under {HOME}; did you mean 'shop'?"


@pytest.mark.parametrize("text", ["till", "0003", ""])
def test_what_is_not_there_is_told_with_what_is_and_where(text: str) -> None:
    with pytest.raises(NotFoundError) as raised:
        choose(text, THERE, "app", HOME)
    assert str(raised.value) == f"no app {text!r} is known under {HOME}; there are: ta-01hq00003, shop, ap-01hq00002"


def test_where_there_is_nothing_that_is_said() -> None:
    with pytest.raises(NotFoundError, match=r"no container 'ta-1' is known under .*; there is none"):
        choose("ta-1", [], "container", HOME)


@pytest.mark.parametrize(
    ("text", "prefix", "message"),
    [
        ("in-5", "in", "'in-5' is not an input id; they look like"),
        ("fc-", "fc", "'fc-' is not the id of a call; they begin with fc-"),
        ("in-5-0", "fc", "'in-5-0' is not the id of a call; they begin with fc-"),
    ],
)
def test_an_id_of_another_form_is_refused_with_the_form_it_should_have(text: str, prefix: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        checked_id(text, prefix, "call")
