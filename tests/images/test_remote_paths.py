"""Files of images at the paths of their images, on a machine that others use, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.images.remote_paths import LinkedPaths, why_not_shown
from motet.model.local_files import LocalFiles


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_text("source")
    return tmp_path / "source"


def links(tmp_path: Path) -> LinkedPaths:
    return LinkedPaths(tmp_path / "links")


def to(target: Path | str, source: Path) -> LocalFiles:
    return LocalFiles(kind="file", source=str(source), target=str(target))


def test_a_path_is_made_with_its_directories_and_taken_away_again(tmp_path: Path, source: Path) -> None:
    made, target = links(tmp_path), tmp_path / "a" / "b" / "file"
    assert made.make(to(target, source)) == ""
    assert target.read_text() == "source"
    made.undo()
    made.undo()
    assert not (tmp_path / "a").exists()
    assert source.exists()


def test_the_last_program_that_uses_a_path_takes_it_away(tmp_path: Path, source: Path) -> None:
    first, second, target = links(tmp_path), links(tmp_path), tmp_path / "file"
    assert [first.make(to(target, source)), second.make(to(target, source))] == ["", ""]
    first.undo()
    assert target.exists()
    second.undo()
    assert not target.is_symlink()


def test_what_a_killed_program_has_left_goes_with_the_next_one(tmp_path: Path, source: Path) -> None:
    killed, target = links(tmp_path), tmp_path / "file"
    killed.make(to(target, source))
    killed._uses.release()  # as the kernel does
    after = links(tmp_path)
    assert after.make(to(target, source)) == ""
    after.undo()
    assert not target.is_symlink()


def test_what_is_there_is_not_touched(tmp_path: Path, source: Path) -> None:
    other = tmp_path / "other"
    other.write_text("other")
    (tmp_path / "full").mkdir()
    made = links(tmp_path)
    assert made.make(to(other, source)).startswith(
        f"{other} is there already, and is not {source}: functions find what"
    )
    assert made.make(to(source, source)) == ""
    assert made.make(to(tmp_path / "full" / "file", source)) == ""
    (tmp_path / "full" / "mine").touch()
    made.undo()
    assert other.read_text() == "other"
    assert [each.name for each in (tmp_path / "full").iterdir()] == ["mine"]
    assert source.exists()


def test_a_path_that_others_have_changed_stays_as_they_left_it(tmp_path: Path, source: Path) -> None:
    made, target = links(tmp_path), tmp_path / "a" / "file"
    made.make(to(target, source))
    target.unlink()
    target.write_text("mine")
    made.undo()
    assert target.read_text() == "mine"


def test_nothing_is_made_among_the_systems_files_or_where_it_cannot_be(tmp_path: Path, source: Path) -> None:
    made = links(tmp_path)
    (tmp_path / "etc").symlink_to("/etc")
    for target in ("/usr/share/motet-test", "/proc/motet-test", tmp_path / "etc" / "motet-test"):
        assert "is not made among the system's files" in made.make(to(target, source))
    assert "cannot be made in" in made.make(to(source / "below", source))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/root/data.txt", ""),
        ("/etc/some.conf", ""),
        ("/usr", ""),
        ("/usr/share/motet-test", "/usr/share/motet-test cannot be made, because what is around it is read-only"),
        ("/proc/1", "/proc/1 cannot be made"),
        ("/work/shop/data", "/work/shop/data cannot be made"),
        ("/work", "nothing else can be at /work, where the program is"),
        ("/work/shop/", "nothing else can be at /work/shop, where the program is"),
    ],
)
def test_within_walls_a_path_is_shown_unless_it_cannot_be(target: str, said: str) -> None:
    found = why_not_shown(target, ["/work/shop"])
    assert found.startswith(said)
    assert bool(found) == bool(said)
