"""TLS for clients: a server is known by a certificate that an authority vouches for, or by its key's fingerprint."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import cast

from motet.client.certificate import checked_fingerprints, is_same_fingerprint, key_fingerprint
from motet.client.sockets import send_all
from motet.client.streams import OverSocket
from motet.errors import ConnectionError

_new_lock = type(threading.RLock())
"""As it was at the start: see `sockets`."""

_RECEIVE_BYTES = 256 * 1024
_SEND_BYTES = 1024 * 1024
"""What is encrypted at once."""

_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _UNKNOWN = 9, 10, (62, 64), (18, 19, 20, 21)
"""What OpenSSL calls them."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_MESSAGE")


class TlsStream(OverSocket):
    """A connected socket with TLS around it. One thread may send while another receives.

    OpenSSL's object is not for two threads at once, and one that waits for bytes must not keep another from sending: so it
    works on memory, under a lock that nobody holds while it waits for the network.
    """

    def __init__(self, sock: socket.socket, host: str, fingerprint: str = "") -> None:
        """Do the handshake. `fingerprint`: of the key that the server is to have, or of several, with commas between them, of
        which it is to have one. Raises `ConnectionError`, which says what is wrong, or `OSError`; the socket is not closed."""
        super().__init__(sock)
        self._lock = _new_lock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._received = bytearray(_RECEIVE_BYTES)
        self._tls = context_for(fingerprint).wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        try:
            self._shake_hands()
        except ssl.SSLError as error:
            raise ConnectionError(_told(error, host)) from error
        certificate = self._tls.getpeercert(binary_form=True)
        self.key = key_fingerprint(certificate) if certificate else "none"
        """The fingerprint of the server's key."""
        if fingerprint:
            _check_key(self.key, checked_fingerprints(fingerprint, "fingerprint"))

    def send(self, data: bytes | memoryview) -> None:
        """See `ByteStream`."""
        view = memoryview(data)
        while view:
            with self._lock:
                count = self._tls.write(view[:_SEND_BYTES])
                sealed = self._outgoing.read()
            send_all(self._socket, sealed)
            view = view[count:]

    def receive_into(self, view: memoryview) -> int:
        """See `ByteStream`."""
        while True:
            with self._lock:
                if (count := self._read(view)) is not None:
                    return count
            count = self._socket.recv_into(self._received)
            with self._lock:
                if count:
                    self._incoming.write(memoryview(self._received)[:count])
                else:
                    self._incoming.write_eof()

    def _read(self, view: memoryview) -> int | None:
        """What is there, 0 at the end; None: more has to come first."""
        count = 0
        try:
            while count < len(view):
                read = cast(int, self._tls.read(len(view) - count, cast(bytearray, view[count:])))  # any buffer will do
                if not read:
                    break
                count += read
        except ssl.SSLWantReadError:
            return count or None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass  # frames say themselves whether they are whole
        return count

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                data = self._socket.recv(_RECEIVE_BYTES)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the other end is told why
                raise
        self._flush()

    def _flush(self) -> None:
        if sealed := self._outgoing.read():
            send_all(self._socket, sealed)


def context_for(fingerprint: str) -> ssl.SSLContext:
    """For connections to a server: with a fingerprint pinned, the caller compares its key itself."""
    context = ssl.create_default_context()
    if fingerprint:  # who has the key is the server, whatever its certificate says
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _check_key(found: str, expected: tuple[str, ...]) -> None:
    if not any(is_same_fingerprint(found, each) for each in expected):
        raise ConnectionError(
            f"its key has the fingerprint {found}, and not {' or '.join(expected)}, which is pinned: it is another server, or "
            "somebody stands between, or it was given a new key. If you know that it was, pin that one (`motet config set "
            "fingerprint ...`, or MOTET_SERVER_FINGERPRINT)"
        )


def _told(error: ssl.SSLError, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(error, host)
    if error.reason in _NO_TLS:
        return "what listens there speaks no TLS: it is a plain-text port (tcp: or ws:), or something else"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the connection was closed during the TLS handshake: what listens there speaks no TLS, or is too busy"
    return f"the TLS handshake failed: {error.reason or error}"


def _distrusted(error: ssl.SSLCertVerificationError, host: str) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return (
            "its certificate has expired, or this machine's clock is ahead: `motet server status` on the server's machine says "
            "when it expires"
        )
    if code == _NOT_YET_VALID:
        return "its certificate is not valid yet: is this machine's clock right, and the server's?"
    if code in _OTHER_NAME:
        return f"its certificate is for another name than {host}: use the name that it is for, or pin its key's fingerprint"
    if code in _UNKNOWN:
        return (
            "no authority that this machine knows vouches for its certificate. Pin the fingerprint that `motet server` prints "
            "(`motet config set fingerprint sha256:...`, or MOTET_SERVER_FINGERPRINT), or have SSL_CERT_FILE name the authority"
        )
    return f"its certificate is not to be trusted: {error.verify_message}"
