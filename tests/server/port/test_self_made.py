"""Certificates that a server makes for itself."""

from __future__ import annotations

import ssl
import sys
import time
from pathlib import Path

import pytest

from motet.client.certificate import key_fingerprint, valid_until
from motet.errors import ServiceError
from motet.server.port.config import PortConfig
from motet.server.port.server_tls import ServerTls
from motet.server.self_made import LIFETIME, RENEW_BEFORE, self_made_certificate

NOW = float(int(time.time()))


def read(path: Path) -> tuple[str, float]:
    der = ssl.PEM_cert_to_DER_cert(path.read_text())
    return key_fingerprint(der), valid_until(der)


def test_one_is_made_once_and_nobody_else_can_read_its_key(tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    certificate, key = self_made_certificate(directory, "0.0.0.0", NOW)
    fingerprint, end = read(certificate)
    assert end == NOW + LIFETIME.total_seconds()
    assert [path.stat().st_mode & 0o777 for path in (directory, certificate, key)] == [0o700, 0o600, 0o600]
    made = certificate.read_bytes(), key.read_bytes()
    soon = end - RENEW_BEFORE.total_seconds() - 1
    assert self_made_certificate(directory, "0.0.0.0", soon) == (certificate, key)
    assert (certificate.read_bytes(), key.read_bytes()) == made
    assert fingerprint == ServerTls(PortConfig(self_made=directory), lambda: NOW).fingerprint


def test_it_is_renewed_before_it_expires_and_its_fingerprint_stays(tmp_path: Path) -> None:
    certificate, _ = self_made_certificate(tmp_path, "127.0.0.1", NOW)
    fingerprint, end = read(certificate)
    later = end - RENEW_BEFORE.total_seconds() + 1
    self_made_certificate(tmp_path, "127.0.0.1", later)
    assert read(certificate) == (fingerprint, int(later) + LIFETIME.total_seconds())


def test_a_running_server_renews_it_too(tmp_path: Path) -> None:
    now = NOW
    tls = ServerTls(PortConfig(self_made=tmp_path), lambda: now)
    before = tls.fingerprint, tls.expires_at
    now = tls.expires_at - 1
    tls.refresh()
    assert tls.fingerprint == before[0]
    assert tls.expires_at > before[1]


def test_what_lies_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nonsense")
    with pytest.raises(ServiceError, match=r"key\.pem is no key: .*Remove it for a new one, with a new fingerprint"):
        self_made_certificate(tmp_path, "127.0.0.1", NOW)
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="cannot make a certificate in"):
        self_made_certificate(tmp_path / "file", "127.0.0.1", NOW)


def test_without_the_package_there_is_a_word_of_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ServiceError, match=r"pip install 'motet\[server\]', or give --tls-certificate and --tls-key"):
        self_made_certificate(tmp_path, "127.0.0.1", NOW)
