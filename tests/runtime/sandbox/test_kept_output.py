"""What is kept of the output of a command: all of it while somebody reads, the last of it while nobody does."""

from __future__ import annotations

from motet.runtime.sandbox.kept_output import PATIENCE, KeptOutput


def test_what_was_written_is_read_from_any_place_in_parts() -> None:
    kept = KeptOutput(100)
    kept.add(b"hello ")
    kept.add(b"world")
    assert kept.read(0, 5, 0.0) == (0, b"hello")
    assert kept.read(6, 100, 0.0) == (6, b"world")
    assert kept.read(11, 100, 0.0) == (11, b"")
    assert kept.read(0, 100, 0.0) == (0, b"hello world"), "it can be read again, as by somebody else"


def test_without_a_reader_the_newest_bytes_take_the_place_of_the_oldest() -> None:
    kept = KeptOutput(4)
    for letter in (b"abc", b"def"):
        assert kept.room(0.0) == 4
        kept.add(letter)
    assert kept.read(0, 100, 0.0) == (2, b"cdef")
    assert (kept.start, kept.end) == (2, 6)


def test_before_the_first_reader_the_process_waits_as_long_as_one_is_expected() -> None:
    kept = KeptOutput(4, expected_until=10.0)
    kept.add(b"abcd")
    assert kept.room(9.0) == 0
    assert kept.reader_expected(9.0) == 1.0
    assert kept.room(10.0) == 4
    assert kept.read(0, 100, 11.0) == (0, b"abcd")
    assert kept.room(12.0) == 0, "somebody reads now"


def test_with_a_reader_the_process_waits_until_what_is_full_is_read() -> None:
    kept = KeptOutput(4)
    assert kept.read(0, 100, 0.0) == (0, b"")
    kept.add(b"abcd")
    assert kept.room(1.0) == 0
    kept.read(3, 100, 1.0)  # which says that three have arrived
    assert kept.room(1.0) == 3
    kept.add(b"efg")
    assert kept.read(3, 100, 1.0) == (3, b"defg")


def test_a_reader_that_asks_no_more_is_not_waited_for() -> None:
    kept = KeptOutput(4)
    kept.read(0, 100, 0.0)
    kept.add(b"abcd")
    assert kept.room(PATIENCE - 1) == 0
    assert kept.room(PATIENCE) == 4


def test_all_is_read_once_it_is_over_and_the_end_is_reached() -> None:
    kept = KeptOutput(4)
    kept.add(b"ab")
    assert not kept.is_read(2)
    kept.over = True
    assert (kept.is_read(1), kept.is_read(2)) == (False, True)


def test_a_reader_that_asks_beyond_what_was_written_lets_go_of_nothing_that_comes() -> None:
    kept = KeptOutput(4)
    kept.read(1000, 100, 0.0)
    kept.add(b"abcd")
    assert kept.room(0.0) == 0
