"""The deployments of a server that stays, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from motet.model.deployment import DeploymentView
from motet.store.base import KeptDeployment, KeptNotice, KeptSchedule
from motet.store.deployment_coding import DeploymentCoding
from motet.store.postgres_connection import PostgresConnection
from motet.store.seal import Seal

_view = msgspec.msgpack.Decoder(DeploymentView)
_schedule = msgspec.msgpack.Decoder(KeptSchedule)
_notice = msgspec.msgpack.Decoder(KeptNotice)
_encode = msgspec.msgpack.Encoder().encode


class PostgresDeployments:
    """See `DeploymentStore`. Any thread may ask. `seal`: None where nothing is sealed."""

    def __init__(self, connection: PostgresConnection, seal: Seal | None = None) -> None:
        self._connection = connection
        self._coding = DeploymentCoding(seal, connection.address)

    def add(self, kept: KeptDeployment) -> None:
        """See `DeploymentStore`."""
        view = kept.view
        with self._connection.writing() as session:
            session.execute(
                "INSERT INTO motet.deployments(name, version, serves, view, kept) VALUES(%s, %s, %s, %s, %s)",
                (view.name, view.version, view.is_here, _encode(view), self._coding.written(kept)),
            )

    def change(self, views: Sequence[DeploymentView]) -> None:
        """See `DeploymentStore`."""
        with self._connection.writing() as session, session.cursor() as cursor:
            cursor.executemany(
                "UPDATE motet.deployments SET serves = %s, view = %s WHERE name = %s AND version = %s",
                [(view.is_here, _encode(view), view.name, view.version) for view in views],
            )

    def history(self, name: str) -> list[DeploymentView]:
        """See `DeploymentStore`."""
        rows = self._connection.rows("SELECT view FROM motet.deployments WHERE name = %s ORDER BY version DESC", name)
        return [_view.decode(view) for (view,) in rows]

    def find(self, name: str, version: int) -> KeptDeployment | None:
        """See `DeploymentStore`."""
        rows = self._connection.rows(
            "SELECT view, kept FROM motet.deployments WHERE name = %s AND version = %s", name, version
        )
        return self._coding.whole(*rows[0]) if rows else None

    def serving(self) -> list[KeptDeployment]:
        """See `DeploymentStore`."""
        rows = self._connection.rows("SELECT view, kept FROM motet.deployments WHERE serves ORDER BY made")
        return [self._coding.whole(*row) for row in rows]

    def bundles(self, keep_versions: int | None) -> set[str]:
        """See `DeploymentStore`."""
        rows = self._connection.rows(
            "SELECT view FROM (SELECT serves, view, row_number() OVER (PARTITION BY name ORDER BY version DESC) AS place "
            "FROM motet.deployments) AS placed WHERE serves OR %s::bigint IS NULL OR place <= %s",
            keep_versions,
            keep_versions,
        )
        return {_view.decode(view).bundle for (view,) in rows}

    def last(self, name: str) -> int:
        """See `DeploymentStore`."""
        rows = self._connection.rows("SELECT COALESCE(MAX(version), 0) FROM motet.deployments WHERE name = %s", name)
        return int(rows[0][0])

    def schedules(self) -> list[KeptSchedule]:
        """See `DeploymentStore`."""
        return [_schedule.decode(kept) for (kept,) in self._connection.rows("SELECT kept FROM motet.schedules")]

    def keep_schedule(self, kept: KeptSchedule) -> None:
        """See `DeploymentStore`."""
        with self._connection.writing() as session:
            session.execute(
                "INSERT INTO motet.schedules VALUES(%s, %s, %s) "
                "ON CONFLICT(app, function) DO UPDATE SET kept = EXCLUDED.kept",
                (kept.app, kept.function, _encode(kept)),
            )

    def notices(self) -> list[KeptNotice]:
        """See `DeploymentStore`."""
        rows = self._connection.rows("SELECT kept FROM motet.notices ORDER BY place")
        return [_notice.decode(kept) for (kept,) in rows]

    def keep_notices(self, kept: Sequence[KeptNotice]) -> None:
        """See `DeploymentStore`."""
        with self._connection.writing() as session, session.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO motet.notices(id, kept) VALUES(%s, %s) ON CONFLICT(id) DO NOTHING",
                [(each.id, _encode(each)) for each in kept],
            )

    def forget_notice(self, notice_id: str) -> None:
        """See `DeploymentStore`."""
        with self._connection.writing() as session:
            session.execute("DELETE FROM motet.notices WHERE id = %s", (notice_id,))

    def close(self) -> None:
        """No more is asked."""
        self._connection.close()
