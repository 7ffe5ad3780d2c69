"""Every variable of the environment that Motet reads, or gives to containers: docs/configuration.md is made of this table."""

from __future__ import annotations

from motet.client.profiles import CONFIG, PROFILE
from motet.client.settings import KEYS
from motet.client.variable import ReadBy, Variable

_PROGRAM, _SERVER, _CONTAINER, _NOBODY = ReadBy

VARIABLES: dict[str, Variable] = {
    variable.name: variable
    for variable in (
        *(
            Variable(
                key.variable, _PROGRAM, key.means, key.default or "none", profile=key.name, is_withheld=not key.is_shown
            )
            for key in KEYS.values()
        ),
        Variable(PROFILE, _PROGRAM, "the profile to use", "the one in use"),
        Variable(CONFIG, _PROGRAM, "the file with profiles", "~/.motet.toml"),
        Variable(
            "MOTET_RECONNECT",
            _PROGRAM,
            "the time for which a server that stays, and was killed, is waited for; 0: not at all",
            "60",
            "seconds",
        ),
        Variable(
            "MOTET_SILENCE",
            _PROGRAM,
            "the time for which nothing may come from a server elsewhere until the connection counts as broken; 0: any",
            "30",
            "seconds",
        ),
        Variable(
            "MOTET_ON_FAILURE_SECRET",
            _PROGRAM,
            "what `motet deploy --on-failure` has notices of failures signed with: whsec_... "
            "([more](guide/deploying.md#being-told-of-failures))",
            "they are not signed",
            is_withheld=True,
        ),
        Variable(
            "MOTET_BUILD_IMAGES",
            _PROGRAM,
            "whether environments are built for images ([more](guide/images.md)): `always`; `ask`, on the terminal of "
            "`motet run`, and not otherwise; `never`. A server that stays builds unless it says `never`",
            "ask",
        ),
        Variable(
            "MOTET_HOST_PACKAGES",
            _PROGRAM,
            "packages of `Image.apt_install` that this machine has, with spaces or commas between them; `all`: these, and what "
            "all other steps make that need a real image",
            "what dpkg and PATH say",
        ),
        # How much runs.
        Variable(
            "MOTET_CONTAINERS_PER_FUNCTION",
            _SERVER,
            "how many a function has at most that sets no `max_containers`",
            "8 per core, 16 at least",
            "containers",
        ),
        Variable(
            "MOTET_CONTAINERS_PER_HOST",
            _SERVER,
            "how many all functions have at most; idle ones of others make room for who needs one",
            "64 per core",
            "containers",
        ),
        Variable(
            "MOTET_CONNECTIONS_PER_PRINCIPAL",
            _SERVER,
            "how many one principal, or the code of one container, may have to a server that stays at once",
            "1000",
            "connections",
        ),
        Variable(
            "MOTET_CONNECTION_GRACE",
            _SERVER,
            "of a server that stays: the time that a program elsewhere has to come back when its connection broke, before its "
            "calls are cancelled; 0: none",
            "30",
            "seconds",
        ),
        Variable(
            "MOTET_NAMES",
            _SERVER,
            "names by which the server is asked for over HTTP (API, dashboard, metrics), beside addresses, localhost and the "
            "machine's own; others are refused",
            "none",
        ),
        Variable(
            "MOTET_PRINCIPAL_LIMITS",
            _SERVER,
            "what whoever shows a token may have, such as `containers=8,inputs_per_second=100` ([limits](security.md#limits))",
            "no limits",
        ),
        Variable(
            "MOTET_APP_LIMITS",
            _SERVER,
            "what each app may have: `containers`, `inputs`, `requests`",
            "no limits",
        ),
        Variable(
            "MOTET_MISSING_GPU",
            _SERVER,
            "what becomes of inputs that ask for GPUs which are not there: `error`, `wait` or `ignore` (run without)",
            "error",
        ),
        Variable(
            "MOTET_DRAIN_GRACE", _SERVER, "the time that a container which must end has for its inputs", "30", "seconds"
        ),
        Variable(
            "MOTET_STOP_GRACE",
            _SERVER,
            "the time that a container which ends has for its exit hooks, and then for its threads and tasks",
            "30",
            "seconds",
        ),
        Variable("MOTET_FREEZE_GRACE", _SERVER, "the time after which a frozen container is killed", "10", "seconds"),
        Variable(
            "MOTET_ISOLATION",
            _SERVER,
            "the isolation level of functions that say none: `process`, `bubblewrap` or `oci` ([more](security.md#walls)); of "
            "a program, for its own functions on any server",
            "process",
        ),
        Variable(
            "MOTET_APP_USERS",
            _SERVER,
            "whether each app has a user of its own on the level `process`, too, where `motet server` is root: `on` or `off` "
            "([more](security.md#walls))",
            "on",
        ),
        Variable(
            "MOTET_BUILDER",
            _SERVER,
            "what builds OCI images: `podman`, `buildah` (podman runs them) or `docker`",
            "podman, or else docker",
        ),
        Variable(
            "MOTET_BUILD_OPTIONS",
            _SERVER,
            "words that come with each build of an OCI image, such as `--network=host`",
            "none",
        ),
        Variable(
            "MOTET_OCI_BASE",
            _SERVER,
            "the OCI image that `Image.debian_slim` begins with; `{python}` stands for a version of Python",
            "docker.io/library/python:{python}-slim-bookworm",
        ),
        Variable(
            "MOTET_OCI_OPTIONS",
            _SERVER,
            "words that come with each start of a container in an OCI image, such as `--dns=10.0.0.1`",
            "none",
        ),
        Variable(
            "MOTET_OCI_RUNTIME",
            _SERVER,
            "the OCI runtime of containers in OCI images, by its name or path",
            "the engine's own; runc where crun does not work",
        ),
        Variable("MOTET_LISTEN", _SERVER, "how containers reach the server: `unix` or `tcp` (on 127.0.0.1)", "unix"),
        Variable(
            "MOTET_AGENT_GRACE",
            _SERVER,
            "of a server that stays: the time that its containers live without one, when it was killed or hands over",
            "60",
            "seconds",
        ),
        Variable(
            "MOTET_CONTAINER_ENV",
            _SERVER,
            "of a server that stays: more variables that its containers have from it, such as `DATABASE_HOST,APP_*`",
            "none",
        ),
        # Requests.
        Variable(
            "MOTET_WEB_HOST",
            _SERVER,
            "the address where requests to web functions are taken; `0.0.0.0` and `::` are all",
            "127.0.0.1",
        ),
        Variable(
            "MOTET_WEB_PORT",
            _SERVER,
            "the port of the first web function, where labels are paths, too; further functions have the ports after it",
            "each has a port of its own",
            "port",
        ),
        Variable(
            "MOTET_WEB_URL",
            _SERVER,
            "what URLs of web functions begin with, or with `{label}` in its host, are made of",
            "those ports",
        ),
        Variable(
            "MOTET_WEB_TLS_CERTIFICATE",
            _SERVER,
            "a file in PEM form: with MOTET_WEB_TLS_KEY, HTTPS is spoken",
            "plain HTTP",
            is_withheld=True,
        ),
        Variable("MOTET_WEB_TLS_KEY", _SERVER, "the file with its key", "plain HTTP", is_withheld=True),
        Variable(
            "MOTET_WEB_FORWARDED_ALLOW_IPS",
            _SERVER,
            "proxies to believe: addresses and networks with commas between them, or `*`",
            "127.0.0.1,::1",
        ),
        Variable(
            "MOTET_WEB_REDIRECT_AFTER",
            _SERVER,
            "the time after which a request without a response is sent on with a 303",
            "150",
            "seconds",
        ),
        Variable(
            "MOTET_WEB_KEEP_RESPONSES",
            _SERVER,
            "how long a response is kept for a client to come back",
            "300",
            "seconds",
        ),
        Variable(
            "MOTET_WEB_KEEP_ALIVE",
            _SERVER,
            "how long a client's connection stays open on which nothing is asked",
            "75",
            "seconds",
        ),
        Variable(
            "MOTET_PROXY_TOKENS",
            _SERVER,
            "tokens for functions with `requires_proxy_auth`: `key:secret`, several with commas between them",
            "none",
            is_withheld=True,
        ),
        Variable(
            "MOTET_PROXY_TOKENS_FILE",
            _SERVER,
            "a file with one `key:secret` in each line; # begins a comment",
            "none",
            is_withheld=True,
        ),
        # Looking at it.
        Variable("MOTET_DASHBOARD_HOST", _SERVER, "the address where the dashboard is served", "127.0.0.1"),
        Variable("MOTET_DASHBOARD_PORT", _SERVER, "the port there; 0 is a free one", "8420, or a free one", "port"),
        Variable(
            "MOTET_METRICS_PORT",
            _SERVER,
            "the port where metrics are served for Prometheus",
            "none: they are not",
            "port",
        ),
        Variable("MOTET_METRICS_HOST", _SERVER, "the address there; it has no login", "127.0.0.1"),
        Variable(
            "MOTET_LOG_FORMAT",
            _SERVER,
            "how `motet server` writes its own log: `text`, or `json`: an object on each line, also for each request",
            "text",
        ),
        Variable(
            "MOTET_TRACE",
            _SERVER,
            "a directory: each function's load, and its containers' lives, are written there when the server stops, for "
            "`motet simulate`",
            "nowhere",
        ),
        # What is kept.
        Variable(
            "MOTET_STORE",
            _SERVER,
            "of a server that stays: the PostgreSQL database where it keeps what it must, as `postgresql://USER@HOST/DATABASE` "
            "([PostgreSQL](postgresql.md))",
            "files in its home",
            is_withheld=True,
        ),
        Variable(
            "MOTET_LEASE",
            _SERVER,
            "of servers that share a PostgreSQL database: the time for which one leads that says nothing more, from 1 to 60; "
            "the same for all of them",
            "2",
            "seconds",
        ),
        Variable(
            "MOTET_ADVERTISED_ADDRESS",
            _SERVER,
            "of servers that share a PostgreSQL database: where clients reach this one, as MOTET_SERVER has it; the others "
            "tell it while it leads",
            "its port, under the first of MOTET_NAMES or the machine's name",
        ),
        Variable(
            "MOTET_SECRETS_KEY",
            _SERVER,
            "the file of keys that a server that stays seals secrets of what is deployed with; servers that share a database "
            "have the same ([more](postgresql.md#sealed-secrets))",
            "`MOTET_HOME/server/secrets.key`; with a database, nothing is sealed",
            is_withheld=True,
        ),
        Variable("MOTET_RECORDS", _SERVER, "`off`: nothing of runs is kept", "on"),
        Variable(
            "MOTET_KEEP_RESULTS_DAYS",
            _SERVER,
            "how long a server that stays keeps results of spawned calls",
            "7",
            "days",
        ),
        Variable(
            "MOTET_BLOBS",
            _SERVER,
            "where a server that stays keeps large arguments and results of spawned calls: a directory, or a bucket, such as "
            "`s3://bucket/prefix?region=eu-central-1` ([more](guide/durable-calls.md#large-arguments-and-results))",
            "its home; with a database, in that",
        ),
        Variable(
            "MOTET_BLOBS_ABOVE_KIB",
            _SERVER,
            "arguments and results of more are large",
            "256",
            "KiB",
        ),
        Variable("MOTET_KEEP_RECORDS_DAYS", _SERVER, "for how long records are kept", "7", "days"),
        Variable(
            "MOTET_KEEP_RECORDS_MIB",
            _SERVER,
            "how much the records of all runs may take; the oldest go first, and never those of a server that runs",
            "2048",
            "MiB",
        ),
        Variable(
            "MOTET_HOME_MIB",
            _SERVER,
            "how much everything under `MOTET_HOME` may take: records of ended runs go for it, too, the oldest first",
            "as much as there is",
            "MiB",
        ),
        Variable(
            "MOTET_KEEP_ARGUMENTS",
            _SERVER,
            "`off`: arguments of failed inputs are not kept, and `motet call rerun` cannot run them again",
            "on",
        ),
        Variable(
            "MOTET_KEEP_ARGUMENTS_BYTES",
            _SERVER,
            "how large those of one input may be; larger ones are left out",
            "1048576",
            "bytes",
        ),
        Variable("MOTET_KEEP_ARGUMENTS_MIB", _SERVER, "those of a server in all; the oldest go first", "256", "MiB"),
        Variable("MOTET_KEEP_LARGE_ARGUMENTS_MIB", _SERVER, "large ones in all; the oldest go first", "2048", "MiB"),
        # Of containers.
        Variable(
            "MOTET_LOG_RATE",
            _CONTAINER,
            "how much an input may write after its burst, which is 10 seconds' worth; 0 is no limit",
            "2000",
            "lines per second",
        ),
        Variable(
            "MOTET_BLOCKED_AFTER",
            _CONTAINER,
            "the time after which an input that keeps others from running is reported; 0 is never",
            "0.25",
            "seconds",
        ),
        Variable(
            "MOTET_LIVE_LINES",
            _CONTAINER,
            "set by `motet run` on a terminal: containers also tell of lines that are being written",
            "not set",
        ),
        # What code finds there.
        Variable("MOTET_CONTAINER_ID", _NOBODY, "the id of its container", ""),
        Variable("MOTET_APP_ID", _NOBODY, "the id of its app", ""),
        Variable("MOTET_SANDBOX_ID", _NOBODY, "of a command in a sandbox: the id of that", ""),
        Variable("MOTET_IS_REMOTE", _NOBODY, "`1`", ""),
        Variable(
            "MOTET_WEB_SERVER_PORT",
            _NOBODY,
            "of a `@motet.web_server`: a free port, which it may use instead of its own",
            "",
        ),
        Variable("MOTET_CONTAINER_PID", _NOBODY, "in `motet container exec`: the container's process id", ""),
    )
}
"""By name. Whoever reads another variable adds a row, and runs `python docs/make_configuration.py`."""
