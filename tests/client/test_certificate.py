"""What is read from certificates, beside what a library reads from them."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from motet.client.certificate import checked_fingerprint, is_same_fingerprint, key_fingerprint, valid_until
from motet.errors import InvalidError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def certificate(key: PrivateKey, end: datetime.datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(2**150).not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(end)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
    signed = made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


KEYS = [
    ec.generate_private_key(ec.SECP256R1()),
    ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(65537, 2048),
]


@pytest.mark.parametrize("key", KEYS, ids=["ec", "ed25519", "rsa"])
@pytest.mark.parametrize("year", [2049, 2051])  # which certificates write in two ways
def test_the_key_and_the_end_of_a_certificate_are_read(key: PrivateKey, year: int) -> None:
    end = datetime.datetime(year, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    der = certificate(key, end)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert key_fingerprint(der) == "sha256:" + hashlib.sha256(public).hexdigest()
    assert valid_until(der) == end.timestamp()


def test_a_renewed_certificate_of_the_same_key_has_the_same_fingerprint() -> None:
    first, second = (certificate(KEYS[0], datetime.datetime(year, 1, 1)) for year in (2030, 2040))
    assert first != second
    assert key_fingerprint(first) == key_fingerprint(second)
    assert key_fingerprint(first) != key_fingerprint(certificate(KEYS[1], datetime.datetime(2030, 1, 1)))


def test_what_is_no_certificate_is_refused_wherever_it_is_cut_off() -> None:
    der = certificate(KEYS[0], datetime.datetime(2030, 1, 1))
    for end in range(len(der)):
        with pytest.raises(ValueError, match="no certificate"):
            key_fingerprint(der[:end])
    with pytest.raises(ValueError, match="no certificate"):
        key_fingerprint(b"\x04" + der[1:])


def test_fingerprints_are_compared_in_one_form() -> None:
    digits = "AB" * 32
    kept = checked_fingerprint(f" SHA256:{':'.join(['AB'] * 32)}\n", "it")
    assert kept == checked_fingerprint(f"sha256:{digits}", "it") == "sha256:" + "ab" * 32
    assert is_same_fingerprint(kept, "sha256:" + "ab" * 32)
    assert not is_same_fingerprint(kept, "sha256:" + "ac" * 32)


@pytest.mark.parametrize(
    "text", ["", "ab", "sha256:", "sha256:" + "ab" * 31, "sha1:" + "ab" * 32, "sha256:" + "xy" * 32]
)
def test_a_fingerprint_that_is_none_is_told(text: str) -> None:
    with pytest.raises(InvalidError, match=r"^MINE: a fingerprint is sha256: and 64 hexadecimal digits"):
        checked_fingerprint(text, "MINE")
