"""The deployments of a server that stays, in an SQLite file that its user alone can read. Specifications have secrets, and
are sealed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from motet.model.deployment import DeploymentView
from motet.store.base import KeptDeployment, KeptNotice, KeptSchedule
from motet.store.deployment_coding import DeploymentCoding
from motet.store.seal import Seal
from motet.store.sqlite_file import SqliteFile
from motet.store.sqlite_layout import SqliteLayout

_FIRST = """
CREATE TABLE deployments(name TEXT, version INTEGER, serves INTEGER, view BLOB, kept BLOB, PRIMARY KEY(name, version));
CREATE INDEX serving ON deployments(serves) WHERE serves;
"""
_BESIDE = """
CREATE TABLE IF NOT EXISTS schedules(app TEXT, function TEXT, kept BLOB, PRIMARY KEY(app, function)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices(place INTEGER PRIMARY KEY, id TEXT UNIQUE, kept BLOB);
"""
LAYOUT = SqliteLayout(
    what="deployments",
    # An older Motet could not read what is sealed, which came with the second.
    steps={1: _FIRST, 2: ""},
    advice="Nothing has changed; what serves goes on. See that the directory can be written and its disk has room",
    loss="nothing is deployed",
    beside=_BESIDE,
    overwrites=True,
)

_view = msgspec.msgpack.Decoder(DeploymentView)
_schedule = msgspec.msgpack.Decoder(KeptSchedule)
_notice = msgspec.msgpack.Decoder(KeptNotice)
_encode = msgspec.msgpack.Encoder().encode


class SqliteDeployments:
    """See `DeploymentStore`. Any thread may ask. What was kept outlives the process, and the machine. `seal`: None where
    nothing can be sealed."""

    def __init__(self, path: Path, seal: Seal | None = None) -> None:
        self._coding = DeploymentCoding(seal, path)
        self._file = SqliteFile(path, LAYOUT)
        if seal is not None:
            try:
                self._seal_all(seal)
            except BaseException:
                self._file.close()
                raise

    def _seal_all(self, seal: Seal) -> None:
        """Seal with the newest key what is not, and leave nothing of how it was before."""
        which = "" if seal.has_older_keys else " WHERE substr(kept, 1, 1) >= x'80'"
        rows = self._rows(f"SELECT rowid, kept FROM deployments{which}")
        if changed := [(seal.sealed(seal.opened(kept)), row) for row, kept in rows if not seal.is_newest(kept)]:
            with self._file.writing() as connection:
                connection.executemany("UPDATE deployments SET kept = ? WHERE rowid = ?", changed)
            self._file.rewrite()
        if seal.has_older_keys:
            seal.forget_older_keys()

    def add(self, kept: KeptDeployment) -> None:
        """See `DeploymentStore`."""
        view = kept.view
        with self._file.writing() as connection:
            connection.execute(
                "INSERT INTO deployments VALUES(?, ?, ?, ?, ?)",
                (view.name, view.version, view.is_here, _encode(view), self._coding.written(kept)),
            )

    def change(self, views: Sequence[DeploymentView]) -> None:
        """See `DeploymentStore`."""
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE deployments SET serves = ?, view = ? WHERE name = ? AND version = ?",
                [(view.is_here, _encode(view), view.name, view.version) for view in views],
            )

    def history(self, name: str) -> list[DeploymentView]:
        """See `DeploymentStore`."""
        rows = self._rows("SELECT view FROM deployments WHERE name = ? ORDER BY version DESC", name)
        return [_view.decode(view) for (view,) in rows]

    def find(self, name: str, version: int) -> KeptDeployment | None:
        """See `DeploymentStore`."""
        rows = self._rows("SELECT view, kept FROM deployments WHERE name = ? AND version = ?", name, version)
        return self._coding.whole(*rows[0]) if rows else None

    def serving(self) -> list[KeptDeployment]:
        """See `DeploymentStore`."""
        # The sign keeps SQLite from reading the whole history, which is in that order already.
        rows = self._rows("SELECT view, kept FROM deployments WHERE serves ORDER BY +rowid")
        return [self._coding.whole(*row) for row in rows]

    def bundles(self, keep_versions: int | None) -> set[str]:
        """See `DeploymentStore`."""
        rows = self._rows(
            "SELECT serves, view, row_number() OVER (PARTITION BY name ORDER BY version DESC) FROM deployments"
        )
        return {
            _view.decode(view).bundle
            for serves, view, place in rows
            if serves or keep_versions is None or place <= keep_versions
        }

    def last(self, name: str) -> int:
        """See `DeploymentStore`."""
        return int(self._rows("SELECT COALESCE(MAX(version), 0) FROM deployments WHERE name = ?", name)[0][0])

    def schedules(self) -> list[KeptSchedule]:
        """See `DeploymentStore`."""
        return [_schedule.decode(kept) for (kept,) in self._rows("SELECT kept FROM schedules")]

    def keep_schedule(self, kept: KeptSchedule) -> None:
        """See `DeploymentStore`."""
        with self._file.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO schedules VALUES(?, ?, ?)", (kept.app, kept.function, _encode(kept))
            )

    def notices(self) -> list[KeptNotice]:
        """See `DeploymentStore`."""
        return [_notice.decode(kept) for (kept,) in self._rows("SELECT kept FROM notices ORDER BY place")]

    def keep_notices(self, kept: Sequence[KeptNotice]) -> None:
        """See `DeploymentStore`."""
        with self._file.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO notices(id, kept) VALUES(?, ?)", [(each.id, _encode(each)) for each in kept]
            )

    def forget_notice(self, notice_id: str) -> None:
        """See `DeploymentStore`."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM notices WHERE id = ?", (notice_id,))

    def close(self) -> None:
        """No more is asked."""
        self._file.close()

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._file.reading() as connection:
            return connection.execute(statement, values).fetchall()
