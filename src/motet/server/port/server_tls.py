"""The server's side of TLS: its certificate and key, read again when their files change."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from motet.client.certificate import key_fingerprint, valid_until
from motet.errors import ServiceError
from motet.server.driver import logger
from motet.server.port.config import PortConfig
from motet.server.self_made import self_made_certificate

LOOK_INTERVAL = 60.0
"""Seconds between two looks at whether the files have changed."""


class ServerTls:
    """`context` is for new connections; `fingerprint` is of its key, and `expires_at` when the certificate is none any more.

    Raises `ServiceError` for files that cannot be used. `now` is the wall clock.
    """

    def __init__(self, config: PortConfig, now: Callable[[], float]) -> None:
        self._config = config
        self._now = now
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.fingerprint, self.expires_at = "", 0.0
        self._loaded: tuple[object, ...] = ()
        self._load(*self._files())
        if self.expires_at <= now():
            logger.warning("the certificate %s has expired: clients that go by it do not connect", self._files()[0])

    def refresh(self) -> None:
        """Use the files as they are now, renewed if need be; what was used is kept if they cannot be."""
        try:
            certificate, key = self._files()
            if self._state(certificate, key) != self._loaded:
                self._load(certificate, key)
                logger.info("the certificate was read again: it holds until %s", self.expires_at)
        except (ServiceError, OSError) as error:
            logger.warning("the certificate is used as it was: %s", error)

    def _files(self) -> tuple[Path, Path | None]:
        if self._config.certificate is not None:
            return self._config.certificate, self._config.key
        assert self._config.self_made is not None
        return self_made_certificate(self._config.self_made, self._config.host, self._now())

    def _load(self, certificate: Path, key: Path | None) -> None:
        try:
            state = self._state(certificate, key)
            # Into one of their own first: half of a pair must not end up in the one that is used.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
            self.context.load_cert_chain(certificate, key, password=_no_password)
            der = _first_certificate(certificate.read_text())
            self.fingerprint, self.expires_at = key_fingerprint(der), valid_until(der)
        except (OSError, ValueError) as error:  # those of TLS are among them
            raise ServiceError(
                f"cannot use the TLS certificate {certificate}{f' with the key {key}' if key else ''}: {error}"
            ) from error
        self._loaded = state

    def _state(self, certificate: Path, key: Path | None) -> tuple[object, ...]:
        stats = [file.stat() for file in (certificate, key) if file is not None]
        return tuple((each.st_mtime_ns, each.st_size, each.st_ino) for each in stats)


def _first_certificate(pem: str) -> bytes:
    """The server's own: authorities follow it."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start = pem.find(begin)
    stop = pem.find(end, start)
    if start < 0 or stop < 0:
        raise ValueError("there is no certificate in it")
    return ssl.PEM_cert_to_DER_cert(pem[start : stop + len(end)])


def _no_password() -> str:
    raise ValueError("its key is encrypted, and a server cannot ask for the password: give one that is not")
