"""`Tunnel`: where a port of a sandbox is reached."""

from __future__ import annotations

from dataclasses import dataclass

from motet.errors import InvalidError


@dataclass(frozen=True)
class Tunnel:
    """A port of a sandbox, on the machine that it runs on. Nothing lies between: what listens there is what answers."""

    host: str
    port: int
    unencrypted_host: str = ""
    unencrypted_port: int = 0

    @property
    def url(self) -> str:
        """For clients that speak HTTP. It begins with http: the way to this machine is not encrypted, and needs not be."""
        return f"http://{self.host}:{self.port}"

    @property
    def tcp_socket(self) -> tuple[str, int]:
        """Host and port, for whatever speaks TCP."""
        return self.host, self.port

    @property
    def tls_socket(self) -> tuple[str, int]:
        """Raises `InvalidError`: nothing on this machine speaks TLS in place of the sandbox."""
        raise InvalidError(
            f"port {self.port} of this sandbox is reached without TLS, since it is on the sandbox's own machine: use "
            "`tcp_socket` or `url`, or have the program in the sandbox speak TLS"
        )
