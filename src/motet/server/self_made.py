"""A certificate that a server makes for itself: clients know it by its key's fingerprint, which stays when it is renewed."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motet.client.certificate import valid_until
from motet.errors import ServiceError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CERTIFICATE, KEY = "certificate.pem", "key.pem"
"""The files of a certificate that a server makes for itself."""
LIFETIME = datetime.timedelta(days=397)
RENEW_BEFORE = datetime.timedelta(days=30)
SKEW = datetime.timedelta(days=1)
"""How far behind the clocks of clients may be."""


def self_made_certificate(directory: Path, host: str, now: float) -> tuple[Path, Path]:
    """The files of a certificate and its key in this directory: made if there are none, and renewed, with the same key, when
    it is about to expire at `now`. Raises `ServiceError`."""
    certificate, key = directory / CERTIFICATE, directory / KEY
    try:
        if key.exists() and not _must_be_made(certificate, now):
            return certificate, key
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(certificate, key, host, now)
    except OSError as error:
        raise ServiceError(f"cannot make a certificate in {directory}: {error.strerror or error}") from error
    except ImportError as error:
        raise ServiceError(
            "making a certificate needs one more package: pip install 'motet[server]', or give --tls-certificate and "
            f"--tls-key ({error})"
        ) from error
    return certificate, key


def _must_be_made(certificate: Path, now: float) -> bool:
    import ssl  # late: a server without TLS does without

    try:
        end = valid_until(ssl.PEM_cert_to_DER_cert(certificate.read_text()))
    except (FileNotFoundError, ValueError):
        return True
    return end - now < RENEW_BEFORE.total_seconds()


def _make(certificate: Path, key_file: Path, host: str, now: float) -> None:
    # Late: most servers have no need of it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = _key(key_file)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Motet server")])
    begin = datetime.datetime.fromtimestamp(now, datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - SKEW)
        .not_valid_after(begin + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(_names(x509, host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(certificate, made.public_bytes(Encoding.PEM))


def _key(file: Path) -> EllipticCurvePrivateKey:
    """The one in this file, or a new one."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    if file.exists():
        try:
            found = load_pem_private_key(file.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise ServiceError(f"{file} is no key: {error}. Remove it for a new one, with a new fingerprint") from error
        if not isinstance(found, ec.EllipticCurvePrivateKey):
            raise ServiceError(
                f"{file} is no key that this server made. Remove it for a new one, with a new fingerprint"
            )
        return found
    made = ec.generate_private_key(ec.SECP256R1())
    _write(file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def _names(x509: Any, host: str) -> list[Any]:
    """What clients may call this machine."""
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname(), host]
    with contextlib.suppress(OSError):
        names.append(socket.getfqdn())
    found = []
    for name in dict.fromkeys(names):
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            with contextlib.suppress(ValueError):  # no name of a host that a certificate could have
                found.append(x509.DNSName(name))
        else:
            if not address.is_unspecified:
                found.append(x509.IPAddress(address))
    return found


def _write(file: Path, data: bytes) -> None:
    unnamed = file.with_name(f"{file.name}.new")
    unnamed.unlink(missing_ok=True)
    with open(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    unnamed.rename(file)
