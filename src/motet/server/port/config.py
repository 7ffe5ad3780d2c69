"""How the port of a server that stays is configured."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from motet.client.addresses import DEFAULT_PORT
from motet.errors import InvalidError
from motet.server.self_made import CERTIFICATE

LOOPBACK_HOST = "127.0.0.1"
INSECURE_OPTION = "--insecure-plain-text"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortConfig:
    """Where a server listens for clients that show a token, and what it speaks there.

    `port`: 0 is a free one. `certificate`, `key`: files in PEM form; the key may be in the certificate's file.
    `self_made`: the directory for a certificate of its own making, where none is given. Without either it speaks plain text,
    which it does beyond this machine only if that is said (`insecure`).
    """

    host: str = LOOPBACK_HOST
    port: int = DEFAULT_PORT
    certificate: Path | None = None
    key: Path | None = None
    self_made: Path | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if self.key is not None and self.certificate is None:
            raise InvalidError("--tls-key is given and --tls-certificate is not: TLS needs the certificate")
        if not self.speaks_tls and not self.insecure and not is_loopback(self.host):
            raise InvalidError(
                f"without TLS the server listens on this machine alone, and not on {self.host}: whoever carries the bytes "
                "could read tokens and arguments. Add --tls (it makes a certificate, and prints the fingerprint that clients "
                f"are told), or --tls-certificate and --tls-key; {INSECURE_OPTION} does without, for networks that are secret "
                "themselves"
            )

    @property
    def certificate_file(self) -> Path | None:
        """Where its certificate is, if it has one."""
        return self.self_made / CERTIFICATE if self.self_made is not None else self.certificate

    @property
    def speaks_tls(self) -> bool:
        """Whether it speaks TLS."""
        return self.certificate is not None or self.self_made is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
