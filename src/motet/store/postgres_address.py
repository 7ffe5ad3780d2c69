"""Where a PostgreSQL database is, as `MOTET_STORE` says it: with its password, and in words without."""

from __future__ import annotations

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from motet.errors import InvalidError

CONNECT_TIMEOUT = 3
"""Seconds that one attempt to connect may take, if the address does not say."""

_SILENCE = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A machine that is gone without a word is noticed after about ten seconds."""


class PostgresAddress:
    """A `postgresql://` URL. What it leaves out is read where libpq reads it: `PGPASSWORD`, `~/.pgpass`, service files. Raises
    `InvalidError`; no message, and no `repr`, has the password."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("postgresql://", "postgres://")):
            raise InvalidError(
                "a store is named by a URL such as postgresql://motet@db.example/motet; this one begins with "
                f"{url.partition(':')[0]!r}"
            )
        try:
            given: dict[str, Any] = conninfo_to_dict(url)
        except ProgrammingError:
            # Not its message, which may quote the password.
            raise InvalidError(
                "the URL of the store cannot be read: it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special "
                "characters written as %XX"
            ) from None
        self.parameters: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT, **_SILENCE, **given}
        host, port = given.get("host") or given.get("hostaddr") or "this machine", given.get("port")
        self._where = f"{host}:{port}" if port and not str(host).startswith("/") else str(host)
        self._database = given.get("dbname") or given.get("user") or "of its user's name"

    def __str__(self) -> str:
        return f"the PostgreSQL database {self._database} on {self._where}"

    def __repr__(self) -> str:
        return f"PostgresAddress({self})"
