"""How the ingress is configured."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from motet.errors import InvalidError
from motet.model.hidden import hides_secrets
from motet.server.http.forwarded import TrustedProxies
from motet.server.http.proxy_tokens import ProxyTokens


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """Where and how requests to web functions are taken.

    `host`: the address to listen on. `port`: where the first function is, and all are by label; further functions have the
    ports after it. 0: each has one of its own. `url`: what URLs begin with, if they lead here from elsewhere; with {label}
    in its host, each function has a host of its own, else a path.
    `tls_certificate`, `tls_key`: files in PEM form; the key may be in the certificate's file.
    `redirect_after`: seconds that a request waits for the beginning of its response until it is sent elsewhere for it.
    `keep_responses`: seconds that a response is kept then for whoever comes for it.
    `keep_alive`: seconds that a connection stays open on which nothing is asked: longer than proxies keep theirs, which would
    else meet its end with a request.
    """

    host: str = "127.0.0.1"
    port: int = 0
    url: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    trusted_proxies: TrustedProxies = TrustedProxies()
    proxy_tokens: ProxyTokens = ProxyTokens()
    redirect_after: float = 150.0
    keep_responses: float = 300.0
    keep_alive: float = 75.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise InvalidError(f"MOTET_WEB_PORT must be a port, or 0 for a free one; it is {self.port}")
        if self.tls_key and not self.tls_certificate:
            raise InvalidError(
                "MOTET_WEB_TLS_KEY is set and MOTET_WEB_TLS_CERTIFICATE is not: TLS needs the certificate"
            )
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise InvalidError(f"MOTET_WEB_URL must begin with http:// or https://; it is {self.url!r}")
        if self.url is not None and not _is_template(self.url):
            raise InvalidError(
                "MOTET_WEB_URL may have {label} once, in its host, as in https://{label}.apps.example.com, and no other "
                f"braces; it is {self.url!r}"
            )
        for name, value in (
            ("MOTET_WEB_REDIRECT_AFTER", self.redirect_after),
            ("MOTET_WEB_KEEP_RESPONSES", self.keep_responses),
            ("MOTET_WEB_KEEP_ALIVE", self.keep_alive),
        ):
            if not value > 0:
                raise InvalidError(f"{name} must be a positive number of seconds; it is {value}")


def _is_template(url: str) -> bool:
    plain = url.replace("{label}", "", 1)
    return not set("{}") & set(plain) and ("{label}" not in url or "{label}" in urlsplit(url).netloc)
