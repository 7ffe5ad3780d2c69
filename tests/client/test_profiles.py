"""Profiles in a file of the user's: what they say, how they are changed, and what is told of those that make no sense."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from motet.client.profiles import ProfileFile, profile_path
from motet.errors import InvalidError, NotFoundError, ServiceError

KEYS = ("server", "token", "home")
TEXT = """\
# mine
active = "work"

[default]  # at home
server = "home"

[work]
token = "t"     # of October
server = 'tls:a.example:1'
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "profiles.toml"
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


def file(path: Path) -> ProfileFile:
    return ProfileFile(path, KEYS)


def test_the_file_is_in_the_users_home_unless_a_variable_says_where() -> None:
    assert profile_path({"HOME": "/home/ada"}) == Path("/home/ada/.motet.toml")
    assert profile_path({"HOME": "/home/ada", "MOTET_CONFIG": "/etc/motet.toml"}) == Path("/etc/motet.toml")


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    nothing = file(tmp_path / "none.toml")
    assert (nothing.profiles, nothing.chosen({})) == ({}, "")


@pytest.mark.parametrize(
    ("env", "text", "chosen"),
    [
        ({}, TEXT, "work"),
        ({"MOTET_PROFILE": "default"}, TEXT, "default"),
        ({"MOTET_PROFILE": ""}, TEXT, "work"),
        ({}, "[default]\n", "default"),
        ({}, "[other]\n", ""),
    ],
)
def test_the_profile_in_use_is_what_the_variable_names_or_the_file_or_the_one_called_default(
    path: Path, env: dict[str, str], text: str, chosen: str
) -> None:
    path.write_text(text)
    assert file(path).chosen(env) == chosen


def test_a_profile_that_is_not_there_is_told_with_who_named_it_and_those_that_are(path: Path) -> None:
    with pytest.raises(InvalidError, match=r"MOTET_PROFILE is 'play', and .*profiles\.toml has no .* default, work\)"):
        file(path).chosen({"MOTET_PROFILE": "play"})
    path.write_text('active = "play"\n')
    with pytest.raises(InvalidError, match=r"profiles\.toml: active is 'play', .* \(it has: none\)"):
        file(path).chosen({})


def test_a_key_is_changed_where_it_stands_and_all_else_stays(path: Path) -> None:
    it = file(path)
    it.set("work", "server", 'tls:"b"')
    it.set("default", "token", "ü")
    it.set("new", "home", "/h")
    assert (
        path.read_text()
        == TEXT.replace("'tls:a.example:1'", r'"tls:\"b\""').replace("# at home\n", '# at home\ntoken = "ü"\n')
        + '\n[new]\nhome = "/h"\n'
    )
    assert file(path).profiles["work"] == {"token": "t", "server": 'tls:"b"'}
    it.unset("work", "token")
    assert file(path).profiles["work"] == {"server": 'tls:"b"'}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_first_key_makes_the_file_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "new.toml"
    it = file(path)
    it.set("default", "token", "t")
    it.use("default")
    assert path.read_text() == 'active = "default"\n\n[default]\ntoken = "t"\n'
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    file(link).use("default")
    assert link.is_symlink()
    assert file(path).active == "default"


@pytest.mark.parametrize(
    "text",
    ['work = {server = "home"}\n', '[work]\nserver = """\nhome"""\n', '[work]\n"tok\\u0065n" = "t"\n'],
    ids=["a table in a line", "a value on two lines", "a key with an escape"],
)
def test_what_is_written_in_another_form_is_not_changed_from_here(path: Path, text: str) -> None:
    path.write_text(text)
    key = "token" if "tok" in text else "server"
    with pytest.raises(InvalidError, match="edit it by hand"):
        file(path).set("work", key, "home2")
    assert path.read_text() == text


def test_what_cannot_be_taken_away_or_used_is_told(path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"the profile 'work' of .* has no 'home'"):
        file(path).unset("work", "home")
    with pytest.raises(NotFoundError, match=r"has no profile 'play' \(it has: default, work\)"):
        file(path).use("play")
    with pytest.raises(InvalidError, match="no key 'colour'; keys are server, token, home"):
        file(path).set("work", "colour", "red")
    with pytest.raises(InvalidError, match=r"cannot be called 'a.b'"):
        file(path).set("a.b", "server", "home")
    with pytest.raises(InvalidError, match="cannot be called 'active'"):
        file(path).set("active", "server", "home")
    with pytest.raises(InvalidError, match="has a character that no such value has"):
        file(path).set("work", "server", "a\nb")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[work\n", r"profiles\.toml is not TOML: .*line 1"),
        (
            '[a]\nserver = "home"\n[work]\n\ncolour = "red"\n',
            r"profiles\.toml, line 5: colour is no key .*\(profile work\)",
        ),
        ("[work]\nserver = 3\n", r"profiles\.toml, line 2: server is a text in quotes .*type int \(profile work\)"),
        ('server = "home"\n', r"profiles\.toml, line 1: server is no key here: .* such as \[default\]"),
        ("active = 3\n", r"profiles\.toml, line 1: active is the name of a profile; it is 3"),
        ('["a b"]\nserver = "home"\n', "cannot be called 'a b'"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_file_line_and_key(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(InvalidError, match=message):
        file(path)


def test_a_file_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"cannot read .*MOTET_CONFIG"):
        file(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidError, match="cannot read"):
        file(tmp_path / "file" / "below")
    it = file(tmp_path / "new.toml")
    it.path = tmp_path / "file" / "below"
    with pytest.raises(ServiceError, match="cannot write"):
        it.set("work", "server", "home")


def test_a_file_with_tokens_that_others_can_read_is_told_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING, "motet.client"):
        file(path)
        file(path)
    assert [each.message for each in caplog.records] == [
        f"{path} may have a token, and others can read it: chmod 600 {path}"
    ]
