"""What is taken out of a query, and what is left."""

from __future__ import annotations

import pytest

from motet.server.http.query import split_query


@pytest.mark.parametrize(
    ("query", "given", "rest"),
    [
        (b"", {}, b""),
        (b"name=Ada", {"name": "Ada"}, b""),
        (b"a=1;b&q=%E9&name=Ada&flag&x=&&y=a+b%20c/~d", {"name": "Ada"}, b"a=1;b&q=%E9&flag&x=&&y=a+b%20c/~d"),
        (b"name=A+b%20%C3%A9&n%61me=last", {"name": "last"}, b""),
        (b"name&size=3=4", {"name": "", "size": "3=4"}, b""),
        (b"Name=1&names=2", {}, b"Name=1&names=2"),
    ],
)
def test_names_are_taken_out_and_the_rest_is_left_byte_for_byte(
    query: bytes, given: dict[str, str], rest: bytes
) -> None:
    assert split_query(query, ("name", "size")) == (given, rest)


def test_value_that_is_not_in_utf_8_is_an_error_and_one_that_nobody_asked_for_is_not() -> None:
    assert split_query(b"other=%E9", ("name",)) == ({}, b"other=%E9")
    with pytest.raises(ValueError, match="name is not in UTF-8"):
        split_query(b"name=%E9", ("name",))
