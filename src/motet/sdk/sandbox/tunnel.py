"""`Tunnel`: where a port of a sandbox is reached."""

from __future__ import annotations

from dataclasses import dataclass

from motet.errors import InvalidError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Tunnel:
    """A port of a sandbox, on the machine that it runs on. `host`, `port`: where it is reached over TLS, of which the server of
    the sandbox shows a `certificate` (PEM) of its own making. `unencrypted_host`, `unencrypted_port`: the port itself."""

    host: str
    port: int
    unencrypted_host: str = ""
    unencrypted_port: int = 0
    certificate: str = ""

    @property
    def url(self) -> str:
        """For clients that speak HTTP: https, or http where the port itself is reached."""
        if self.port:
            return f"https://{self.host}:{self.port}"
        return f"http://{self.unencrypted_host}:{self.unencrypted_port}"

    @property
    def tls_socket(self) -> tuple[str, int]:
        """Host and port, for whatever speaks TLS. Raises `InvalidError` for one of `unencrypted_ports`."""
        if not self.port:
            raise InvalidError(
                f"port {self.unencrypted_port} is one of `unencrypted_ports`, without TLS: use `tcp_socket`, or create the "
                "sandbox with `encrypted_ports`"
            )
        return self.host, self.port

    @property
    def tcp_socket(self) -> tuple[str, int]:
        """Host and port, for whatever speaks TCP. Raises `InvalidError` unless it is one of `unencrypted_ports`."""
        if not self.unencrypted_port:
            raise InvalidError(
                "This tunnel is not configured for unencrypted TCP: use `tls_socket`, or create the sandbox with "
                "`unencrypted_ports`"
            )
        return self.unencrypted_host, self.unencrypted_port
