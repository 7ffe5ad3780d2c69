"""What a port may be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.errors import InvalidError
from motet.server.port.config import PortConfig, is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "build.example", "fe80::1"])
def test_beyond_this_machine_it_speaks_tls_or_does_not_start(host: str) -> None:
    with pytest.raises(
        InvalidError, match=f"without TLS .* not on {host}: .*Add --tls .*--insecure-plain-text does without"
    ):
        PortConfig(host=host)
    assert PortConfig(host=host, self_made=Path("/d")).speaks_tls
    assert PortConfig(host=host, certificate=Path("/c.pem")).speaks_tls
    assert not PortConfig(host=host, insecure=True).speaks_tls


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_this_machine_it_may_speak_plain_text(host: str) -> None:
    assert not PortConfig(host=host).speaks_tls
    assert is_loopback(host)


def test_a_key_without_a_certificate_makes_no_sense() -> None:
    with pytest.raises(InvalidError, match="TLS needs the certificate"):
        PortConfig(key=Path("/k.pem"))
