"""The file with profiles: which server its user means, under names of the user's own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from motet.errors import InvalidError, NotFoundError, ServiceError

CONFIG = "MOTET_CONFIG"
PROFILE = "MOTET_PROFILE"
ACTIVE = "active"
"""The key at the top of the file that says which profile is used where none is named."""
DEFAULT = "default"
"""The profile that is used where the file does not say which."""

_NAME = r"[A-Za-z0-9_-]{1,64}"
_LINE = r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*="""
_TABLE = r"""\s*\[\s*["']?([A-Za-z0-9_-]+)["']?\s*\]\s*(#.*)?$"""
_SECRET = "token"

_warned: set[Path] = set()


def profile_path(env: Mapping[str, str]) -> Path:
    """Where the file is: MOTET_CONFIG, or `.motet.toml` in the user's home."""
    return Path(env.get(CONFIG) or Path(env.get("HOME") or "~").expanduser() / ".motet.toml").absolute()


class ProfileFile:
    """What a file of profiles says; one that is not there says nothing. `keys`: those that a profile may have.

    Raises `InvalidError`, which names file, line and key, for what makes no sense.
    """

    def __init__(self, path: Path, keys: Iterable[str]) -> None:
        self.path = path
        self._keys = tuple(keys)
        self._text = self._read()
        self.active, self.profiles = self._parsed(self._text)

    def chosen(self, env: Mapping[str, str]) -> str:
        """The profile that is used: what MOTET_PROFILE names, or the file, or else `default`; "": none is. Raises
        `InvalidError` for one that is not there."""
        named, why = (env[PROFILE], PROFILE) if env.get(PROFILE) else (self.active, f"{self.path}: {ACTIVE}")
        if named and named not in self.profiles:
            known = ", ".join(sorted(self.profiles)) or "none"
            raise InvalidError(f"{why} is {named!r}, and {self.path} has no such profile (it has: {known})")
        return named or (DEFAULT if DEFAULT in self.profiles else "")

    # --- changing it --------------------------------------------------------------------------------------------------

    def set(self, profile: str, key: str, value: str) -> None:
        """Have a key of a profile, which is made if need be, be this from now on."""
        check_name(profile)
        if self._keys and key not in self._keys:
            raise InvalidError(f"profiles have no key {key!r}; keys are {', '.join(self._keys)}")
        if any(ord(each) < 32 or ord(each) == 127 for each in value):
            raise InvalidError(f"the value of {key} has a character that no such value has (a line's end?)")
        lines = self._text.splitlines(keepends=True)
        import json  # late: files are rarely written

        line = f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
        begin, end = _table(lines, profile)
        if begin is None:
            gap = ["\n"] if lines and lines[-1].strip() else []
            lines = [*_ended(lines), *gap, f"[{profile}]\n", line]
        else:
            at = _line_of(lines, key, begin + 1, end)
            lines = _ended(lines)
            lines[begin + 1 if at is None else at : begin + 1 if at is None else at + 1] = [line]
        self._write(lines, self.active, {**self.profiles, profile: {**self.profiles.get(profile, {}), key: value}})

    def unset(self, profile: str, key: str) -> None:
        """A profile does not say that any more. Raises `NotFoundError` if it did not."""
        if key not in self.profiles.get(profile, {}):
            raise NotFoundError(f"the profile {profile!r} of {self.path} has no {key!r}")
        lines = self._text.splitlines(keepends=True)
        begin, end = _table(lines, profile)
        at = None if begin is None else _line_of(lines, key, begin + 1, end)
        if at is not None:
            del lines[at]
        rest = {name: value for name, value in self.profiles[profile].items() if name != key}
        self._write(lines, self.active, {**self.profiles, profile: rest})

    def use(self, profile: str) -> None:
        """Have this profile be used where none is named. Raises `NotFoundError`."""
        if profile not in self.profiles:
            known = ", ".join(sorted(self.profiles)) or "none"
            raise NotFoundError(f"{self.path} has no profile {profile!r} (it has: {known})")
        lines = _ended(self._text.splitlines(keepends=True))
        top = next((at for at, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
        at = _line_of(lines, ACTIVE, 0, top)
        line = f'{ACTIVE} = "{profile}"\n'
        lines[0 if at is None else at : 0 if at is None else at + 1] = [line] if at is not None else [line, "\n"]
        self._write(lines, profile, self.profiles)

    def _write(self, lines: list[str], active: str, profiles: dict[str, dict[str, str]]) -> None:
        """Put these lines into the file, if they say that, and nobody but its user can read it."""
        text = "".join(lines)
        try:
            said = self._parsed(text)
        except InvalidError:
            said = None
        if said != (active, profiles):
            raise InvalidError(f"{self.path} is written in a form that cannot be changed from here: edit it by hand")
        import tempfile  # late: most only read

        path = self.path.resolve()  # it may be a link to where the user keeps such files
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, unnamed = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # 0600
            try:
                with open(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                os.replace(unnamed, path)
            except BaseException:
                os.unlink(unnamed)
                raise
        except OSError as error:
            raise ServiceError(f"cannot write {self.path}: {error.strerror}") from error
        self._text, self.active, self.profiles = text, active, profiles

    # --- reading it ---------------------------------------------------------------------------------------------------

    def _read(self) -> str:
        try:
            with open(self.path, encoding="utf-8") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeError) as error:
            raise InvalidError(f"cannot read {self.path}, which has profiles ({CONFIG}): {error}") from error
        if mode & 0o077 and _SECRET in text and os.name == "posix" and self.path not in _warned:
            _warned.add(self.path)
            import logging  # late: there is hardly ever a reason to warn

            logger = logging.getLogger("motet.client")
            logger.warning("%s may have a token, and others can read it: chmod 600 %s", self.path, self.path)
        return text

    def _parsed(self, text: str) -> tuple[str, dict[str, dict[str, str]]]:
        if not text:
            return "", {}
        import tomllib  # late: most have no such file

        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidError(f"{self.path} is not TOML: {error}") from error
        active = found.pop(ACTIVE, "")
        if not isinstance(active, str):
            raise self._wrong(text, "", ACTIVE, f"is the name of a profile; it is {active!r}")
        for name, profile in found.items():
            self._check(text, name, profile)
        return active, found

    def _check(self, text: str, name: str, profile: Any) -> None:
        if not isinstance(profile, dict):
            raise self._wrong(
                text, "", name, f"is no key here: keys stand in profiles, below a line such as [{DEFAULT}]"
            )
        check_name(name)
        for key, value in profile.items():
            if self._keys and key not in self._keys:
                raise self._wrong(text, name, key, f"is no key of a profile; keys are {', '.join(self._keys)}")
            if not isinstance(value, str):
                raise self._wrong(text, name, key, f'is a text in quotes ("..."); it is of type {type(value).__name__}')

    def _wrong(self, text: str, profile: str, key: str, problem: str) -> InvalidError:
        lines = text.splitlines()
        begin, end = _table(lines, profile) if profile else (-1, len(lines))
        at = None if begin is None else _line_of(lines, key, begin + 1, end)
        where = f"{self.path}" if at is None else f"{self.path}, line {at + 1}"
        return InvalidError(f"{where}: {key} {problem}" + (f" (profile {profile})" if profile else ""))


def check_name(profile: str) -> None:
    """Raises `InvalidError` for a name that no profile can have."""
    if not re.fullmatch(_NAME, profile) or profile == ACTIVE:
        raise InvalidError(
            f"a profile cannot be called {profile!r}: names have 1 to 64 letters, digits, dashes and underscores, and are not "
            f"{ACTIVE!r}"
        )


def _table(lines: list[str], profile: str) -> tuple[int | None, int]:
    """The line where a profile begins, if it does, and where the next one does."""
    begin = None
    for at, line in enumerate(lines):
        if not line.lstrip().startswith("["):
            continue
        if begin is not None:
            return begin, at
        found = re.match(_TABLE, line)
        if found is not None and found[1] == profile:
            begin = at
    return begin, len(lines)


def _line_of(lines: list[str], key: str, begin: int, end: int) -> int | None:
    for at in range(begin, end):
        found = re.match(_LINE, lines[at])
        if found is not None and found[1] == key:
            return at
    return None


def _ended(lines: list[str]) -> list[str]:
    """The same lines; the last one has an end, too."""
    return lines if not lines or lines[-1].endswith("\n") else [*lines[:-1], lines[-1] + "\n"]
