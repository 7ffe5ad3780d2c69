"""What a terminal gets of text that strangers wrote."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.sdk.run.terminal_text import coloured_lines, displayable, harmless

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# Control characters (C0 but tab, DEL, C1), bidirectional overrides, isolates and marks, separators, invisible ones.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)

_PARTS = st.sampled_from(
    ["\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b\\", "\x9b", "\x9c", "\x9d", "\x07", "\x18", "\r", "\t", "\u202e", "\udc9b",
     "[", "]", "0", "1;", ":", "?", " ", "!", "m", "J", "52;c;", "text", "日本語", "\x1b[31m", "\x1b[2J"]
)  # fmt: skip
HOSTILE = st.one_of(st.lists(_PARTS, max_size=40).map("".join), st.text(max_size=60)).map(
    lambda it: it.replace("\n", "")
)
BYTES = st.binary(max_size=80).map(lambda it: it.decode("utf-8", "surrogateescape").replace("\n", ""))


@given(st.one_of(HOSTILE, BYTES))
def test_nothing_leaves_but_colours_and_text(line: str) -> None:
    assert not _ACTING.search(_COLOUR.sub("", displayable(line)))


@given(st.lists(st.one_of(HOSTILE, BYTES), max_size=4).map("\n".join))
def test_harmless_text_has_no_colours_and_as_many_lines(text: str) -> None:
    assert not _ACTING.search(harmless(text))
    assert harmless(text).count("\n") == text.count("\n")
    assert not _ACTING.search(_COLOUR.sub("", coloured_lines(text)))


@given(st.one_of(HOSTILE, BYTES))
def test_what_was_let_through_is_let_through_again(line: str) -> None:
    assert displayable(displayable(line)) == displayable(line)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("a\x1b[2Jb", "ab"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;ZWNobw==\x1b\\b", "ab"),
        ("a\x1b\x1b[2J[2Jb", "a[2Jb"),
        ("a\x1b\x1b[A]52;c;ZWNobw==\x07b", "a]52;c;ZWNobw==b"),
        ("a\x9b2Jb", "ab"),
        ("a\x9d0;title\x9cb", "ab"),
        ("a\x1bP+q544e\x1b\\b", "ab"),
        ("a\x1b(B\x1b7\x1b=\x1b#8b", "ab"),
        ("a\x1b]0;no end", "a0;no end"),
        ("a\x1b[12", "a12"),
        ("a\x1b]0;cut\x1b[31mb", "a\x1b[31mb"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("caf\udce9", "caf\\udce9"),
        (
            "\x1b[38:5:1mred\x1b[0m\t日本語 👩\u200d🔬 \xa0ن\u200cم",
            "\x1b[38:5:1mred\x1b[0m\t日本語 👩\u200d🔬 \xa0ن\u200cم",
        ),
        ("secret\rshown\r", "shown"),
    ],
)
def test_each_kind_of_sequence(line: str, shown: str) -> None:
    assert displayable(line) == shown


@pytest.mark.parametrize("part", ["\x9d", "\x1b]", "\x1b[", "\x9b1;", "\x1b ", "\x1bP1", "\x1b", "\x9b"])
def test_long_hostile_lines_are_read_in_one_pass(part: str) -> None:
    began = time.process_time()
    displayable(part * 300_000)
    assert time.process_time() - began < 5
