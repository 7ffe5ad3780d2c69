"""How a server is configured: one frozen object. The only reader of the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from motet.client.addresses import parsed_address
from motet.client.home import containers_socket, home_directory, standing_directory, standing_socket
from motet.core.devices import MissingGpu
from motet.core.host import DEFAULT_LIMITS, HostLimits
from motet.errors import InvalidError
from motet.model.hidden import hides_secrets
from motet.model.isolation import Isolation
from motet.model.quota import NO_QUOTA, Quota
from motet.server.clients.conversation import GRACE
from motet.server.clients.guests import MAX_CONNECTIONS
from motet.server.cluster.config import ClusterConfig
from motet.server.container_environment import container_environment, inherited
from motet.server.dashboard.config import DashboardConfig
from motet.server.http.config import WebConfig
from motet.server.http.forwarded import TrustedProxies
from motet.server.http.proxy_tokens import ProxyTokens
from motet.server.metrics.config import MetricsConfig
from motet.server.port.config import PortConfig
from motet.server.records.config import RecordsConfig
from motet.store.blob_places import THRESHOLD
from motet.store.lease import LEASE, LONGEST_LEASE, SHORTEST_LEASE

CONTAINERS_PER_CORE = 64
KEEP_RESULTS_DAYS = 7.0

ON_CLUSTER: dict[str, Any] = {"own": False, "cluster": "the Ray cluster", "unasked_cpu": 1.0}
"""Limits of a server whose containers are on a cluster: one that asks for no CPU has a core, as a task of Ray's has."""

N = TypeVar("N", int, float)


@hides_secrets
@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything a server can be told.

    `listen`: where containers connect: "unix" (a socket in a private directory), "tcp" (a free port on 127.0.0.1), or "nowhere"
    (whoever starts them brings connections).
    `socket`: where the socket is, if it is not in a directory that goes with the server.
    `containers_socket`: where containers connect, if that is another one than clients do.
    `agent_env`: the environment of what has the containers of a server that stays; they themselves have that of their launch.
    `agent_grace`: seconds that containers live without a server, if they may.
    `port`: where it listens for clients of other machines, and for HTTP; None: nowhere.
    `connections`: those that one principal, or the code of one container, may have at once.
    `connection_grace`: seconds that a client of another machine whose connection broke has to come back; 0: none.
    `store_credentials`: the URL of the database in which a server that stays keeps what it must; empty: in its home.
    `lease`: seconds for which a server leads that says nothing more, where several share that database; None: what they agreed
    to.
    `advertised`: where clients reach it, in place of what follows from `port`; empty: nothing is said.
    `base_env`: the environment containers start from, under the function's own.
    `stop_grace`: seconds for exit hooks, and what still runs after them, when an app stops.
    `web`: where and how requests to web functions are taken.
    `records`: what is kept of runs, and where; None: nothing.
    `dashboard`: where the dashboard is served once somebody asks for it.
    `metrics`: where metrics are served on a port of their own; None: nowhere.
    `names`: by which it is asked for over HTTP, beside addresses, localhost and the machine's own name.
    `principal_quota`, `app_quota`: what whoever shows a token may have, and each app.
    `keep_results`: seconds for which a server that stays keeps results of spawned calls.
    `blobs`: where it keeps large arguments and results of these; empty: in its home, if its journal is there, too.
    `blobs_above`: what is large, in bytes.
    `secrets_key`: the file of keys for secrets of what is deployed; empty: in its home, or, with a database, nothing is sealed.
    `images`: where environments of images are kept; None: nowhere, and all functions run in the base environment.
    `builds_images`: those that are not there are built when an app comes, and not only when somebody asks for that.
    `isolation`: the level of functions that say none. `hidden`: directories that containers within walls never see.
    `ended_sandboxes`: the file that says how sandboxes ended, for servers after this one; None: it is forgotten with it.
    `state`: the file with shared state that has names, if no database has that; None: it is forgotten with the server.
    `app_users`: the server is root, and containers of each app are a user of its own, also without walls.
    `cluster`: where containers run in place of this machine; None: here, and on hosts that join.
    `trace_directory`: where the load of each function is written when the server stops; None: nowhere.
    """

    listen: str = "unix"
    socket: Path | None = None
    containers_socket: Path | None = None
    agent_env: dict[str, str] = field(default_factory=dict)
    agent_grace: float = 60.0
    port: PortConfig | None = None
    connections: int = MAX_CONNECTIONS
    connection_grace: float = GRACE
    store_credentials: str = ""
    lease: float | None = None
    advertised: str = ""
    base_env: dict[str, str] = field(default_factory=dict)
    limits: HostLimits = HostLimits()
    stop_grace: float = 30.0
    web: WebConfig = WebConfig()
    records: RecordsConfig | None = None
    dashboard: DashboardConfig = DashboardConfig()
    metrics: MetricsConfig | None = None
    names: tuple[str, ...] = ()
    principal_quota: Quota = NO_QUOTA
    app_quota: Quota = NO_QUOTA
    keep_results: float = KEEP_RESULTS_DAYS * 86400.0
    blobs: str = ""
    secrets_key: str = ""
    blobs_above: int = THRESHOLD
    trace_directory: Path | None = None
    images: Path | None = None
    builds_images: bool = False
    isolation: Isolation = "process"
    hidden: tuple[str, ...] = ()
    ended_sandboxes: Path | None = None
    app_users: bool = False
    state: Path | None = None
    cluster: ClusterConfig | None = None

    @property
    def certificates(self) -> tuple[Path, ...]:
        """The files with those that the server shows."""
        of_web = (Path(self.web.tls_certificate),) if self.web.tls_certificate else ()
        of_port = None if self.port is None else self.port.certificate_file
        return of_web if of_port is None else (*of_web, of_port)

    @classmethod
    def of_standing(
        cls, home: Path, port: PortConfig | None, store: str = "", cluster: ClusterConfig | None = None
    ) -> ServerConfig:
        """That of the server that stays under a home: containers get few variables of its environment. `store`: the URL of
        its database, if it is not the environment that names one. Raises `InvalidError`, which names the variable."""
        base_env = inherited(os.environ)
        temporary = {name: value for name in ("TMPDIR",) if (value := os.environ.get(name))}
        config = cls.from_environment()
        if cluster is not None:
            of_ray = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
            cluster = replace(cluster, env={**base_env, **temporary, **of_ray})
            config = replace(config, limits=replace(config.limits, **ON_CLUSTER))
        return replace(
            config,
            listen="unix",
            socket=standing_socket(home),
            containers_socket=containers_socket(standing_directory(home)),
            agent_grace=_number("MOTET_AGENT_GRACE", 60.0, float),
            port=port,
            store_credentials=store or os.environ.get("MOTET_STORE", ""),
            lease=_lease(),
            advertised=_advertised(),
            base_env=base_env,
            agent_env={**base_env, **temporary},
            images=home / "images",
            ended_sandboxes=standing_directory(home) / "sandboxes",
            state=standing_directory(home) / "state.db",
            builds_images=os.environ.get("MOTET_BUILD_IMAGES") != "never",
            app_users=_app_users() and cluster is None,
            cluster=cluster,
        )

    @classmethod
    def from_environment(cls) -> ServerConfig:
        """The embedded server's, from variables that begin with MOTET_; containers get the client's environment. Raises
        `InvalidError`, which names the variable."""
        cores = len(os.sched_getaffinity(0))
        stop_grace = _number("MOTET_STOP_GRACE", DEFAULT_LIMITS.stop_grace, float)
        limits = HostLimits(
            containers=_containers_per_host(cores),
            containers_per_pool=_number("MOTET_CONTAINERS_PER_FUNCTION", max(16, 8 * cores), int),
            starting=max(8, 2 * cores),
            cores=cores,
            stop_grace=stop_grace,
            drain_grace=_number("MOTET_DRAIN_GRACE", DEFAULT_LIMITS.drain_grace, float),
            freeze_grace=_number("MOTET_FREEZE_GRACE", DEFAULT_LIMITS.freeze_grace, float),
            missing_gpu=_missing_gpu(),
        )
        return cls(
            listen=os.environ.get("MOTET_LISTEN", "unix"),
            base_env=container_environment(os.environ),
            limits=limits,
            stop_grace=stop_grace,
            connections=_number("MOTET_CONNECTIONS_PER_PRINCIPAL", MAX_CONNECTIONS, int),
            connection_grace=_number("MOTET_CONNECTION_GRACE", GRACE, float),
            web=_web(),
            records=RecordsConfig.from_environment(os.environ),
            dashboard=_dashboard(),
            metrics=_metrics(),
            names=_listed("MOTET_NAMES"),
            principal_quota=_quota("MOTET_PRINCIPAL_LIMITS"),
            app_quota=_quota("MOTET_APP_LIMITS"),
            keep_results=_number("MOTET_KEEP_RESULTS_DAYS", KEEP_RESULTS_DAYS, float) * 86400.0,
            blobs=os.environ.get("MOTET_BLOBS", ""),
            secrets_key=os.environ.get("MOTET_SECRETS_KEY", ""),
            blobs_above=_blobs_above(),
            trace_directory=_trace_directory(),
            images=home_directory(os.environ) / "images",
            isolation=_isolation(),
            state=standing_directory(home_directory(os.environ)) / "state.db",
            hidden=(str(home_directory(os.environ)),),
        )


def _web() -> WebConfig:
    env = os.environ
    defaults = WebConfig()
    trusted = env.get("MOTET_WEB_FORWARDED_ALLOW_IPS")
    return WebConfig(
        host=env.get("MOTET_WEB_HOST") or defaults.host,
        port=_number("MOTET_WEB_PORT", defaults.port, int),
        url=env.get("MOTET_WEB_URL") or None,
        tls_certificate=env.get("MOTET_WEB_TLS_CERTIFICATE") or None,
        tls_key=env.get("MOTET_WEB_TLS_KEY") or None,
        trusted_proxies=defaults.trusted_proxies if trusted is None else TrustedProxies.parse(trusted),
        proxy_tokens=_proxy_tokens(),
        redirect_after=_number("MOTET_WEB_REDIRECT_AFTER", defaults.redirect_after, float),
        keep_responses=_number("MOTET_WEB_KEEP_RESPONSES", defaults.keep_responses, float),
        keep_alive=_number("MOTET_WEB_KEEP_ALIVE", defaults.keep_alive, float),
    )


def _dashboard() -> DashboardConfig:
    defaults = DashboardConfig()
    host = os.environ.get("MOTET_DASHBOARD_HOST") or defaults.host
    port = _number("MOTET_DASHBOARD_PORT", -1, int) if os.environ.get("MOTET_DASHBOARD_PORT") else None
    return DashboardConfig(host=host, port=port)


def _metrics() -> MetricsConfig | None:
    if not os.environ.get("MOTET_METRICS_PORT"):
        return None
    host = os.environ.get("MOTET_METRICS_HOST") or "127.0.0.1"
    return MetricsConfig(host=host, port=_number("MOTET_METRICS_PORT", 0, int))


def _listed(variable: str) -> tuple[str, ...]:
    texts = (each.strip() for each in os.environ.get(variable, "").split(","))
    return tuple(each for each in texts if each)


def _quota(variable: str) -> Quota:
    return Quota.parse(_listed(variable), variable)


def _proxy_tokens() -> ProxyTokens:
    tokens = ProxyTokens.parse(os.environ.get("MOTET_PROXY_TOKENS", "").split(","), "MOTET_PROXY_TOKENS")
    path = os.environ.get("MOTET_PROXY_TOKENS_FILE")
    if not path:
        return tokens
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeError) as error:
        raise InvalidError(f"cannot read MOTET_PROXY_TOKENS_FILE: {error}") from error
    return tokens.merged(ProxyTokens.parse(lines, path))


def _number(name: str, default: N, kind: type[N]) -> N:
    text = os.environ.get(name)
    try:
        return kind(text) if text else default
    except ValueError:
        raise InvalidError(
            f"{name} must be {'a whole number' if kind is int else 'a number'}; it is {text!r}"
        ) from None


def _lease() -> float | None:
    if not os.environ.get("MOTET_LEASE"):
        return None
    seconds = _number("MOTET_LEASE", LEASE, float)
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        raise InvalidError(
            f"MOTET_LEASE must be from {SHORTEST_LEASE:g} to {LONGEST_LEASE:g} seconds; it is {seconds:g}"
        )
    return seconds


def _advertised() -> str:
    text = os.environ.get("MOTET_ADVERTISED_ADDRESS", "")
    return parsed_address(text, f"MOTET_ADVERTISED_ADDRESS={text}") if text else ""


def _containers_per_host(cores: int) -> int:
    most = _number("MOTET_CONTAINERS_PER_HOST", CONTAINERS_PER_CORE * cores, int)
    if most < 1:
        raise InvalidError(f"MOTET_CONTAINERS_PER_HOST must be at least 1; it is {most}")
    return most


def _blobs_above() -> int:
    above = _number("MOTET_BLOBS_ABOVE_KIB", THRESHOLD / 1024, float)
    if above < 1:
        raise InvalidError(f"MOTET_BLOBS_ABOVE_KIB must be at least 1; it is {above:g}")
    return int(above * 1024)


def _trace_directory() -> Path | None:
    text = os.environ.get("MOTET_TRACE")
    if not text:
        return None
    directory = Path(text).absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidError(f"MOTET_TRACE names a directory, and {text!r} cannot be one: {error.strerror}") from error
    return directory


def _isolation() -> Isolation:
    match os.environ.get("MOTET_ISOLATION") or "process":
        case "process" | "bubblewrap" | "oci" as choice:
            return choice
        case other:
            raise InvalidError(f"MOTET_ISOLATION must be 'process', 'bubblewrap' or 'oci'; it is {other!r}")


def _app_users() -> bool:
    match os.environ.get("MOTET_APP_USERS") or "on":
        case "on":
            return os.geteuid() == 0
        case "off":
            return False
        case other:
            raise InvalidError(f"MOTET_APP_USERS must be 'on' or 'off'; it is {other!r}")


def _missing_gpu() -> MissingGpu:
    match os.environ.get("MOTET_MISSING_GPU") or "error":
        case "error" | "wait" | "ignore" as choice:
            return choice
        case other:
            raise InvalidError(f"MOTET_MISSING_GPU must be 'error', 'wait' or 'ignore'; it is {other!r}")
