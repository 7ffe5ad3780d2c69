"""Who asked, and how, when proxies lie between: what trusted ones say is believed, the rest is overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from motet.errors import InvalidError
from motet.wire.asgi import Scope
from motet.wire.web import Headers

_CLAIMS = frozenset(
    b"forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix x-forwarded-proto x-real-ip".split()
)
_CLAIMS_OF_ITS_OWN = frozenset(
    b"cf-connecting-ip cf-connecting-ipv6 fastly-client-ip forwarded-for front-end-https true-client-ip x-client-ip "
    b"x-cluster-client-ip x-envoy-external-address x-forwarded x-host x-original-forwarded-for x-original-host "
    b"x-original-url x-rewrite-url x-scheme x-url-scheme".split()
)
"""What some proxies say in words of their own, and some frameworks believe; with all that begins with x-forwarded-. It is
passed on as it comes from proxies that are trusted, and from nobody else."""
_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Networks whose word on the client is taken; by default this machine's loopback. `everyone`: any address."""

    networks: tuple[IPv4Network | IPv6Network, ...] = (ip_network("127.0.0.1"), ip_network("::1"))
    everyone: bool = False

    @classmethod
    def parse(cls, text: str) -> TrustedProxies:
        """From addresses and networks with commas between them, or "*"; empty: nobody. Raises `InvalidError`."""
        names = [name for part in text.split(",") if (name := part.strip())]
        if "*" in names:
            return cls((), True)
        try:
            return cls(tuple(ip_network(name) for name in names))
        except ValueError as error:
            raise InvalidError(
                f"MOTET_WEB_FORWARDED_ALLOW_IPS takes addresses and networks, such as 10.0.0.2,192.168.0.0/16, or *: {error}"
            ) from None

    def __contains__(self, host: str) -> bool:
        return self.everyone or _is_within(host, self.networks)

    def client(self, chain: str) -> tuple[str, int] | None:
        """The client of a chain in X-Forwarded-For: the last address in it that is no trusted proxy's."""
        hops = [_host_and_port(hop) for part in chain.split(",") if (hop := part.strip())]
        if not hops:
            return None
        if self.everyone:
            return hops[0]
        return next((hop for hop in reversed(hops) if hop[0] not in self), hops[0])


@lru_cache(maxsize=1024)
def _is_within(host: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # how a listener on :: sees clients over IPv4
    return any(address in network for network in networks)


def _host_and_port(hop: str) -> tuple[str, int]:
    """The parts of "10.0.0.1", "10.0.0.1:80", "2001:db8::1", "[2001:db8::1]:80"."""
    if hop.startswith("["):
        host, _, port = hop[1:].partition("]")
        port = port.removeprefix(":")
    elif hop.count(":") == 1:
        host, _, port = hop.partition(":")
    else:
        host, port = hop, ""
    return host, int(port) if port.isdecimal() and len(port) <= 5 else 0


def settle(scope: Scope, trusted: TrustedProxies) -> None:
    """Have the scope say who asked and how; X-Forwarded-For and -Proto say the same to apps that read them there.

    Names with an underscore are dropped, as other servers do: to some apps they are the same as those with a dash.
    """
    headers: Headers = scope["headers"]
    for name, _ in headers:  # most have none, and this is done for every request
        if name in _CLAIMS or name in _CLAIMS_OF_ITS_OWN or b"_" in name or name.startswith(b"x-forwarded-"):
            headers = scope["headers"] = _settled(scope, headers, trusted)
            break
    scheme: str = scope["scheme"]
    headers.append((b"x-forwarded-proto", _HTTP_SCHEMES.get(scheme, scheme).encode()))
    if scope["client"] is not None:
        headers.append((b"x-forwarded-for", scope["client"][0].encode("latin-1")))


def _settled(scope: Scope, headers: Headers, trusted: TrustedProxies) -> Headers:
    """The headers without what they claim; with the host that a trusted proxy was asked for."""
    others = [header for header in headers if header[0] not in _CLAIMS and b"_" not in header[0]]
    if scope["client"] is None or scope["client"][0] not in trusted:
        return [it for it in others if it[0] not in _CLAIMS_OF_ITS_OWN and not it[0].startswith(b"x-forwarded-")]
    return _believe(scope, [header for header in headers if header[0] in _CLAIMS], others, trusted)


def _believe(scope: Scope, claims: Headers, headers: Headers, trusted: TrustedProxies) -> Headers:
    """Take over client, scheme and host; the headers with that host."""
    said = {name: b",".join(value for other, value in claims if other == name).decode("latin-1") for name, _ in claims}
    client = trusted.client(said.get(b"x-forwarded-for", ""))
    if client is not None:
        scope["client"] = client
    scheme = said.get(b"x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    scheme = _HTTP_SCHEMES.get(scheme, scheme)
    if scheme in _WEBSOCKET_SCHEMES:
        scope["scheme"] = _WEBSOCKET_SCHEMES[scheme] if scope["type"] == "websocket" else scheme
    host = said.get(b"x-forwarded-host", "").rpartition(",")[2].strip()
    if not host:
        return headers
    return [(b"host", host.encode("latin-1")), *(header for header in headers if header[0] != b"host")]
