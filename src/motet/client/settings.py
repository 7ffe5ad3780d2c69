"""What a user's programs and commands can be told: a variable of the environment, a key of a profile, or what holds without."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from motet.client.profiles import ProfileFile, profile_path

SERVER = "MOTET_SERVER"
TOKEN = "MOTET_TOKEN"
FINGERPRINT = "MOTET_SERVER_FINGERPRINT"
HOME = "MOTET_HOME"


class SettingKey(msgspec.Struct, frozen=True):
    """A row of `KEYS`. `goes_with_server`: it is for one server, and shown to no other. `is_shown`: it may be printed."""

    name: str
    variable: str
    means: str
    default: str = ""
    goes_with_server: bool = False
    is_shown: bool = True


KEYS: dict[str, SettingKey] = {
    key.name: key
    for key in (
        SettingKey(
            "server",
            SERVER,
            "the server to use: home (the one under `home`), unix:PATH, tls:HOST:PORT, wss://HOST, tcp:127.0.0.1:PORT, several "
            "of these that share a database, with commas between them, or embedded (one that ends with the program)",
            "embedded",
        ),
        SettingKey("token", TOKEN, "what proves who you are to the server", goes_with_server=True, is_shown=False),
        SettingKey(
            "fingerprint",
            FINGERPRINT,
            "the fingerprint of the server's key, where no authority vouches for its certificate; of several servers those of "
            "all, with commas between them",
            goes_with_server=True,
        ),
        SettingKey("home", HOME, "the directory for what outlives a run", "~/.motet"),
    )
}
"""By the name that a key has in profiles."""


class FoundSetting(msgspec.Struct, frozen=True):
    """What one of them is, and what says so: a variable, a profile, or "default"."""

    key: SettingKey
    value: str
    source: str

    def __repr__(self) -> str:
        return f"FoundSetting(key={self.key!r}, source={self.source!r})"  # some values are secrets


def profiles(env: Mapping[str, str]) -> ProfileFile:
    """The user's profiles. Raises `InvalidError`."""
    return ProfileFile(profile_path(env), KEYS)


def settings(env: Mapping[str, str]) -> dict[str, FoundSetting]:
    """All of them, by name: what the environment says, or else the profile that is used, or else the default. Raises
    `InvalidError`, which names what makes no sense.

    What a profile says for its server is not taken where the environment names another one: a token is not for everybody.
    """
    file = profiles(env)
    name = file.chosen(env)
    profile = file.profiles.get(name, {})
    source = f"profile {name} in {file.path}"
    server = KEYS["server"].variable
    is_other = bool(env.get(server)) and env[server] != profile.get("server")
    found = {}
    for key in KEYS.values():
        if env.get(key.variable):
            found[key.name] = FoundSetting(key, env[key.variable], key.variable)
        elif profile.get(key.name) and not (is_other and key.goes_with_server):
            found[key.name] = FoundSetting(key, profile[key.name], source)
        else:
            found[key.name] = FoundSetting(key, key.default, "default")
    return found
