from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import motet
from motet.exception import InvalidError, UnimplementedError


def test_none_values_are_left_out() -> None:
    assert motet.Secret.from_dict({"A": "1", "B": None}).env == {"A": "1"}
    assert motet.Secret.from_dict().env == {}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ([("A", "1")], "has to be a dict[str, str | None], not list"),
        ({"A": 1}, "the value of 'A' is int"),
        ({1: "a"}, "has the key 1, which cannot name an environment variable"),
        ({"": "a"}, "has the key '', which cannot name an environment variable"),
    ],
)
def test_wrong_environments_are_refused(env: Any, message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.Secret.from_dict(env)
    assert message in str(caught.value)


def test_values_are_never_shown() -> None:
    secret = motet.Secret.from_dict({"TOKEN": "hunter2", "A": "hunter2"})
    assert repr(secret) == "Secret(A, TOKEN)"
    with pytest.raises(InvalidError) as caught:
        motet.Secret.from_dict({"TOKEN": "hunter2", "B": 5})  # type: ignore[dict-item]
    assert "hunter2" not in str(caught.value)


def test_changing_what_env_gives_changes_nothing() -> None:
    secret = motet.Secret.from_dict({"A": "1"})
    secret.env["A"] = "2"
    assert secret.env == {"A": "1"}


def test_local_variables_are_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTET_TEST_A", "1")
    assert motet.Secret.from_local_environ(["MOTET_TEST_A"]).env == {"MOTET_TEST_A": "1"}
    with pytest.raises(InvalidError, match="Could not find local environment variable 'MOTET_TEST_MISSING'"):
        motet.Secret.from_local_environ(["MOTET_TEST_A", "MOTET_TEST_MISSING"])


def test_named_secrets_need_a_server() -> None:
    with pytest.raises(UnimplementedError, match="stand-alone server"):
        motet.Secret.from_name("mine")


DOTENV = r"""
# a comment
PLAIN=value
  export SPACED = two words   # not this
HASH=a#b
EMPTY=
SINGLE='as is: \n "$" #'
DOUBLE="line\nbreak \"quoted\" #"  # comment
LINES="first
second"
URL=https://example.org/?a=b&c=d
NAME_ONLY
LAST=end"""


def test_a_dotenv_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(DOTENV)
    assert motet.Secret.from_dotenv(tmp_path).env == {
        "PLAIN": "value",
        "SPACED": "two words",
        "HASH": "a#b",
        "EMPTY": "",
        "SINGLE": 'as is: \\n "$" #',
        "DOUBLE": 'line\nbreak "quoted" #',
        "LINES": "first\nsecond",
        "URL": "https://example.org/?a=b&c=d",
        "LAST": "end",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n\n", {}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("A= # nothing", {"A": ""}),
        ("A=1\nA=2", {"A": "2"}),
        ("A='it\\'s'", {"A": "it's"}),
    ],
)
def test_odd_dotenv_files(text: str, expected: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(text.encode())
    assert motet.Secret.from_dotenv(tmp_path).env == expected


@pytest.mark.parametrize("text", ["A=1\n= 2\n", "A=1\nB='open\n", 'A=1\nB="a" b\n', "A=1\ntwo words\n"])
def test_a_malformed_line_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(InvalidError, match=r"\.env, line 2: this is not NAME=value"):
        motet.Secret.from_dotenv(tmp_path)


def test_the_nearest_file_upward_is_read(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / ".env.test").write_text("A=far")
    program = deep / "program.py"
    program.touch()
    assert motet.Secret.from_dotenv(program, filename=".env.test").env == {"A": "far"}
    (tmp_path / "a" / ".env.test").write_text("A=near")
    assert motet.Secret.from_dotenv(deep, filename=".env.test").env == {"A": "near"}


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"there is no \.env\.nowhere in "):
        motet.Secret.from_dotenv(tmp_path, filename=".env.nowhere")


def test_values_that_no_environment_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("caf\udce9", "nul\0"):
        with pytest.raises(InvalidError, match="'A' that no environment can hold") as caught:
            motet.Secret.from_dict({"A": value})
        assert value not in str(caught.value)
    with pytest.raises(InvalidError, match="cannot name an environment variable"):
        motet.Secret.from_dict({"caf\udce9": "x"})
    monkeypatch.setenv("NOT_UTF8", "caf\udce9")
    with pytest.raises(InvalidError, match="'NOT_UTF8'"):
        motet.Secret.from_local_environ(["NOT_UTF8"])
