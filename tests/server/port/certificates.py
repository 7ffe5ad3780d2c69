"""Certificates for tests: of an authority that nobody else knows, good ones and bad ones."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """An authority, and files of certificates that it vouches for."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self._directory = directory
        self.file = directory / "authority.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def certificate(
        self,
        name: str = "localhost",
        *,
        begin: datetime.datetime = NOW - DAY,
        end: datetime.datetime = NOW + DAY,
        file: str = "server.pem",
    ) -> Path:
        """A file with a certificate and its key."""
        made = self._authority.issue_cert(name, not_before=begin, not_after=end)
        path = self._directory / file
        path.write_bytes(made.private_key_and_cert_chain_pem.bytes())
        return path
