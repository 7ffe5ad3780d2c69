"""How much room on the disk a container takes, however it hides that."""

from __future__ import annotations

import os
from pathlib import Path

from motet.backends.walls.usage import disk_of

MIB = 2**20


def test_a_sparse_file_takes_what_was_written_to_it(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(2**40)
        file.write(b"x" * MIB)
    assert MIB <= disk_of(tmp_path) < 2 * MIB


def test_a_file_with_several_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * MIB)
    os.link(tmp_path / "one", tmp_path / "two")
    assert MIB <= disk_of(tmp_path) < 2 * MIB


def test_a_file_that_was_deleted_and_is_open_counts_while_it_is(tmp_path: Path) -> None:
    with open(tmp_path / "gone", "wb") as file:
        (tmp_path / "gone").unlink()
        file.write(b"x" * MIB)
        file.flush()
        assert disk_of(tmp_path) < MIB
        assert MIB <= disk_of(tmp_path, os.getpid()) < 2 * MIB
    assert disk_of(tmp_path, os.getpid()) < MIB


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/usr")
    assert disk_of(tmp_path) < MIB
