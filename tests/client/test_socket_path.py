"""What paths sockets are bound and connected by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from motet.client.socket_path import socket_path


def test_a_short_path_is_taken_as_it_is() -> None:
    path = "/tmp/" + "x" * 102
    with socket_path(path) as short:
        assert short == path


def test_a_long_one_leads_to_the_same_file_while_the_block_runs(tmp_path: Path) -> None:
    directory = tmp_path / ("ä" * 100)
    directory.mkdir()
    (directory / "s").write_text("it")
    with socket_path(str(directory / "s")) as short:
        assert len(short) < 30
        assert Path(short).read_text() == "it"
    assert not os.path.exists(short)


def test_a_long_one_in_a_directory_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(FileNotFoundError, match=r"/nowhere/x+'"), socket_path(f"/nowhere/{'x' * 100}/s"):
        pass


def test_a_long_one_is_an_error_that_says_what_to_do_where_descriptors_have_no_names() -> None:
    with (
        pytest.raises(OSError, match=r"its path has 111 bytes, and may have 107 .* set TMPDIR to a directory"),
        socket_path(f"/tmp/{'x' * 104}/s", "/nowhere"),
    ):
        pass
