"""The keywords of `Sandbox.create` and `exec`: one row for each, and what they make."""

# Without `from __future__ import annotations`: the rows are read from them.

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict

from motet.errors import InvalidError
from motet.model.function import Resources
from motet.model.image import ImageSpec
from motet.model.sandbox import (
    MAX_ARGUMENT_BYTES,
    MAX_ENVIRONMENT_BYTES,
    MAX_TAGS,
    MAX_TIMEOUT,
    ProcessSpec,
    PtySize,
    SandboxSpec,
)
from motet.sdk.declare.app_spec import ISOLATION
from motet.sdk.options import checked
from motet.sdk.options.checks import check_bool, check_name, is_int, is_number, plain, type_name
from motet.sdk.options.image import Image
from motet.sdk.options.keyword import Setting, Unavailable, WithoutEffect, read, rows
from motet.sdk.options.secret import Secret

MAX_NAME = 63
ISOLATION_LEVELS = ("process", "bubblewrap", "oci")

_NETWORK = "Sandboxes use this machine's network:"


def _seconds(name: str, value: Any) -> float:
    if not is_number(value) or not 0 < value <= MAX_TIMEOUT:
        raise InvalidError(f"`{name}` must be seconds, more than 0 and at most {MAX_TIMEOUT:g}; got {value!r}")
    return float(value)


def _workdir(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise InvalidError(f"`{name}` must be a directory in the sandbox, as a str; got {value!r}")
    return plain(value)


def _ports(name: str, value: Any) -> tuple[int, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not all(is_int(it) and 0 < it < 65536 for it in value)
    ):
        raise InvalidError(f"`{name}` must be a list of port numbers from 1 to 65535; got {value!r}")
    return tuple(dict.fromkeys(value))


def _level(name: str, value: Any) -> str:
    if value not in ISOLATION_LEVELS:
        raise InvalidError(f"`{name}` must be one of {', '.join(map(repr, ISOLATION_LEVELS))}; got {value!r}")
    return plain(value)


def _sandbox_name(name: str, value: Any) -> str:
    usable = isinstance(value, str) and 0 < len(value) <= MAX_NAME
    if not usable or not all(each.isascii() and (each.isalnum() or each in "-_.") for each in value):
        raise InvalidError(
            f"`{name}` of a sandbox may have up to {MAX_NAME} letters, digits, dashes, dots and underscores; got {value!r}"
        )
    return plain(value)


def checked_tags(tags: Any) -> dict[str, str]:
    """Tags of a sandbox. Raises `InvalidError`."""
    if not isinstance(tags, Mapping) or not all(isinstance(it, str) for pair in tags.items() for it in pair):
        raise InvalidError(f"`tags` has to be a dict[str, str], got {tags!r}")
    if len(tags) > MAX_TAGS:
        raise InvalidError(f"a sandbox may have {MAX_TAGS} tags; these are {len(tags)}")
    return {check_name("a tag", name): check_name("the value of a tag", value) for name, value in tags.items()}


def _tags(name: str, value: Any) -> dict[str, str]:
    return checked_tags(value)


class SandboxOptions(TypedDict, total=False):
    """The keywords of `Sandbox.create`, besides `app`."""

    name: Annotated[str | None, Setting(_sandbox_name, "what `from_name` finds it by in its app", "none")]
    tags: Annotated[Mapping[str, str] | None, Setting(_tags, "what `list` finds it by", "none")]
    image: Annotated[Image | None, Setting(checked.image, "a `motet.Image`", "the app's")]
    secrets: Annotated[
        Collection[Secret] | None,
        Setting(checked.secrets, "environment variables of its commands", "none", field="env"),
    ]
    env: Annotated[
        Mapping[str, str | None] | None, Setting(checked.env, "environment variables of its commands", "none")
    ]
    timeout: Annotated[float | None, Setting(_seconds, "seconds until it is ended, up to 86400", "300")]
    idle_timeout: Annotated[
        float | None, Setting(_seconds, "seconds without a command of `exec`, or input, until it is ended", "none")
    ]
    workdir: Annotated[str | None, Setting(_workdir, "where its commands begin", "a directory of its own")]
    cpu: Annotated[float | tuple[float, float] | None, Setting(checked.cpu, "cores", "none", part="resources")]
    memory: Annotated[
        int | tuple[int, int] | None, Setting(checked.memory, "MiB", "none", field="memory_mib", part="resources")
    ]
    isolation: Annotated[
        Literal["process", "bubblewrap", "oci"] | None,
        Setting(_level, "what is between it and the machine", "what the server says"),
    ]
    block_network: Annotated[
        bool, Setting(check_bool, "it reaches nothing over the network", "False", takes_none=False)
    ]
    encrypted_ports: Annotated[Sequence[int], Setting(_ports, "ports that `tunnels` leads to, over TLS", "none")]
    h2_ports: Annotated[Sequence[int], Setting(_ports, "ports that `tunnels` leads to, for HTTP/2 over TLS", "none")]
    unencrypted_ports: Annotated[Sequence[int], Setting(_ports, "ports that `tunnels` tells of", "none")]
    pty: Annotated[bool, Setting(check_bool, "its command gets a terminal", "False", takes_none=False)]
    gpu: Annotated[str | None, Unavailable("Sandboxes get no GPUs: run what needs one in a function.")]
    volumes: Annotated[
        Mapping[Any, Any] | None,
        Unavailable("Sandboxes run on this machine: `filesystem.copy_from_local` brings files in."),
    ]
    network_file_systems: Annotated[
        Mapping[Any, Any] | None,
        Unavailable("Sandboxes run on this machine: `filesystem.copy_from_local` brings files in."),
    ]
    pty_info: Annotated[Any, Unavailable("Say `pty=True`; `exec` takes a size as `pty=PtySize(rows, columns)`.")]
    _experimental_outbound_policy: Annotated[Any, Unavailable(f"{_NETWORK} use `block_network`.")]
    _experimental_enable_snapshot: Annotated[
        bool, Unavailable("Processes are not kept; `snapshot_filesystem` keeps files.")
    ]
    custom_domain: Annotated[str | None, Unavailable("`tunnels` gives the address of a port.")]
    proxy: Annotated[Any, Unavailable(f"{_NETWORK} set HTTP_PROXY and HTTPS_PROXY with `env=` instead.")]
    outbound_cidr_allowlist: Annotated[Sequence[str] | None, Unavailable(f"{_NETWORK} use `block_network`.")]
    outbound_domain_allowlist: Annotated[Sequence[str] | None, Unavailable(f"{_NETWORK} use `block_network`.")]
    inbound_cidr_allowlist: Annotated[Sequence[str] | None, Unavailable(f"{_NETWORK} have the program look who comes.")]
    cidr_allowlist: Annotated[Sequence[str] | None, Unavailable(f"{_NETWORK} use `block_network`.")]
    readiness_probe: Annotated[
        Any, Unavailable("Ask the sandbox with `exec`, or connect to its port until that answers.")
    ]
    include_oidc_identity_token: Annotated[bool, Unavailable("There is no issuer of such tokens.")]
    cloud: Annotated[str | None, WithoutEffect()]
    region: Annotated[str | Sequence[str] | None, WithoutEffect()]
    runtime: Annotated[str | None, WithoutEffect()]
    verbose: Annotated[bool, WithoutEffect((None, False))]
    experimental_options: Annotated[Mapping[str, Any] | None, WithoutEffect((None, {}))]
    client: Annotated[Any, WithoutEffect()]
    environment_name: Annotated[str | None, WithoutEffect()]


SANDBOX = rows(SandboxOptions)


def sandbox_spec(command: tuple[Any, ...], options: Mapping[str, Any], image: ImageSpec | None) -> SandboxSpec:
    """What is to be created. `image`: the app's. Raises `InvalidError` and its kin."""
    given = read("Sandbox.create", {name: it for name, it in options.items() if it != ()}, SANDBOX)
    if image is not None:
        given.put_below("image", image)
    fields = given.of()
    kinds = ("encrypted_ports", "h2_ports", "unencrypted_ports")
    ports = [port for kind in kinds for port in fields.get(kind, ())]
    if len(set(ports)) != len(ports):
        raise InvalidError(f"a port may be in one of {', '.join(kinds)} alone; got {sorted(ports)}")
    if ports and fields.get("block_network"):
        raise InvalidError("Cannot specify open ports when `block_network` is enabled")
    if fields.get("isolation") is None and (said := os.environ.get(ISOLATION)):
        fields["isolation"] = _level(ISOLATION, said)
    fields["pty"] = PtySize() if fields.get("pty") else None
    _check_environment(fields.get("env", {}))
    return SandboxSpec(command=checked_command(command), resources=Resources(**given.of("resources")), **fields)


def process_spec(
    command: tuple[Any, ...],
    *,
    workdir: str | None,
    env: Mapping[str, str | None] | None,
    secrets: Collection[Secret] | None,
    timeout: float | None,
    pty: bool | PtySize,
    keeps: tuple[bool, bool],
) -> ProcessSpec:
    """What is to be executed. Raises `InvalidError`."""
    if not command:
        raise InvalidError("`exec` needs a command: the program, and its arguments, each as a str")
    merged = {**checked.secrets("secrets", secrets or ()), **checked.env("env", env or {})}
    _check_environment(merged)
    return ProcessSpec(
        checked_command(command),
        "" if workdir is None else _workdir("workdir", workdir),
        merged,
        None if timeout is None else _seconds("timeout", timeout),
        (pty if isinstance(pty, PtySize) else PtySize()) if pty else None,
        *keeps,
    )


def checked_command(command: tuple[Any, ...]) -> tuple[str, ...]:
    """A program and its arguments. Raises `InvalidError`."""
    for each in command:
        if not isinstance(each, str):
            raise InvalidError(f"All entrypoint arguments must be strings; got {each!r}, which is {type_name(each)}")
        if "\0" in each:
            raise InvalidError(f"no argument of a command can have a NUL in it; got {each!r}")
    if (size := sum(len(each.encode("utf-8", "surrogateescape")) for each in command)) > MAX_ARGUMENT_BYTES:
        raise InvalidError(
            f"Total length of CMD arguments cannot exceed {MAX_ARGUMENT_BYTES} bytes (ARG_MAX). Got {size} bytes."
        )
    if command and not command[0]:
        raise InvalidError("the program of a command cannot be empty")
    return tuple(map(plain, command))


def _check_environment(env: Mapping[str, str]) -> None:
    size = sum(len(name) + len(value) for name, value in env.items())
    if size > MAX_ENVIRONMENT_BYTES:
        raise InvalidError(
            f"the environment of a command has {size} characters; {MAX_ENVIRONMENT_BYTES} may be. Write large values to a file"
        )
