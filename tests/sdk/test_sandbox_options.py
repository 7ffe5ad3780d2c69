"""What `Sandbox.create` and `exec` take, and what they refuse before anything is asked of a server."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import motet
from motet.client.dual import Steps
from motet.errors import InvalidError, UnimplementedError
from motet.model.sandbox import ProcessSpec, PtySize
from motet.sdk.options import keyword
from motet.sdk.sandbox.options import SANDBOX, process_spec, sandbox_spec
from motet.stream_type import StreamType
from motet.wire.sandbox_messages import AskDone, OutputRead, StartProcess


def spec(*command: Any, **options: Any) -> Any:
    return sandbox_spec(command, options, None)


def test_what_is_not_said_is_modals_default() -> None:
    made = spec("sleep", "1")
    assert (made.command, made.timeout, made.idle_timeout, made.workdir, made.env) == (
        ("sleep", "1"),
        300.0,
        None,
        "",
        {},
    )
    assert (made.pty, made.encrypted_ports, made.unencrypted_ports, made.block_network) == (None, (), (), False)


def test_what_is_said_is_kept() -> None:
    made = spec(
        timeout=10,
        idle_timeout=5,
        workdir="/srv",
        env={"A": "1", "B": None},
        secrets=[motet.Secret.from_dict({"C": "3"})],
        cpu=0.5,
        memory=512,
        encrypted_ports=[8000],
        unencrypted_ports=(9000, 9000),
        name="my-box",
        tags={"a": "b"},
        pty=True,
        isolation="process",
    )
    assert made.command == ()
    assert made.env == {"A": "1", "C": "3"}
    assert (made.resources.cpu, made.resources.memory_mib) == (0.5, 512)
    assert (made.encrypted_ports, made.unencrypted_ports) == ((8000,), (9000,))
    assert (made.name, made.tags, made.pty, made.isolation) == ("my-box", {"a": "b"}, PtySize(24, 80), "process")
    assert "3" not in repr(made), "secrets are not shown"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout": 0}, "`timeout` must be seconds, more than 0 and at most 86400; got 0"),
        ({"timeout": 86401}, "at most 86400"),
        ({"idle_timeout": "1"}, "`idle_timeout` must be seconds"),
        ({"workdir": ""}, "`workdir` must be a directory in the sandbox"),
        ({"name": "no spaces"}, "may have up to 63 letters"),
        ({"name": "x" * 64}, "may have up to 63 letters"),
        ({"tags": {"a": 1}}, "`tags` has to be a dict"),
        ({"tags": {str(each): "" for each in range(51)}}, "a sandbox may have 50 tags; these are 51"),
        ({"encrypted_ports": [0]}, "`encrypted_ports` must be a list of port numbers"),
        ({"unencrypted_ports": "8000"}, "`unencrypted_ports` must be a list of port numbers"),
        ({"encrypted_ports": [80], "block_network": True}, "Cannot specify open ports when `block_network` is enabled"),
        ({"encrypted_ports": [80], "h2_ports": [80]}, "a port may be in one of"),
        ({"isolation": "chroot"}, "`isolation` must be one of 'process', 'bubblewrap', 'oci'; got 'chroot'"),
        ({"env": {"A": 1}}, "the value of 'A' is int"),
        ({"env": {"A": "x" * 600_000}}, "524288 may be"),
        ({"image": "debian"}, "has to be a `motet.Image`"),
    ],
)
def test_what_cannot_be_is_told(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        spec("true", **options)


CREATE: dict[str, tuple[Any, str]] = {
    "app": (None, "works"),
    "name": ("box", "works"),
    "tags": ({"a": "b"}, "works"),
    "image": (motet.Image.debian_slim(), "works"),
    "env": ({"A": "b"}, "works"),
    "secrets": ([motet.Secret.from_dict({"A": "b"})], "works"),
    "timeout": (10, "works"),
    "idle_timeout": (10, "works"),
    "workdir": ("/srv", "works"),
    "cpu": ((0.5, 1.0), "works"),
    "memory": ((64, 512), "works"),
    "block_network": (True, "works"),
    "pty": (True, "works"),
    "encrypted_ports": ([8000], "works"),
    "unencrypted_ports": ([8000], "works"),
    "h2_ports": ([8000], "works"),
    "network_file_systems": ({"/data": object()}, "refused"),
    "volumes": ({"/data": object()}, "refused"),
    "gpu": ("T4", "refused"),
    "outbound_cidr_allowlist": (["10.0.0.0/8"], "refused"),
    "outbound_domain_allowlist": (["example.org"], "refused"),
    "_experimental_outbound_policy": (object(), "refused"),
    "inbound_cidr_allowlist": (["10.0.0.0/8"], "refused"),
    "cidr_allowlist": (["10.0.0.0/8"], "refused"),
    "custom_domain": ("example.org", "refused"),
    "proxy": (object(), "refused"),
    "include_oidc_identity_token": (True, "refused"),
    "readiness_probe": (object(), "refused"),
    "_experimental_enable_snapshot": (True, "refused"),
    "pty_info": (object(), "refused"),
    "cloud": ("aws", "no effect"),
    "region": ("eu", "no effect"),
    "runtime": ("gvisor", "no effect"),
    "verbose": (True, "no effect"),
    "experimental_options": ({"a": 1}, "no effect"),
    "client": (object(), "no effect"),
    "environment_name": ("main", "no effect"),
}
"""What becomes of each parameter of Modal's `Sandbox.create`, as of 2026-11: it works, is refused with a sentence, or has no
effect, of which a warning tells."""


def test_every_parameter_of_modals_is_in_the_table_and_no_other_but_the_level() -> None:
    assert set(SANDBOX) | {"app"} == set(CREATE) | {"isolation"}


@pytest.mark.parametrize(("name", "value", "becomes"), [(name, *row) for name, row in CREATE.items() if name != "app"])
def test_a_parameter_works_or_is_refused_with_a_sentence(name: str, value: Any, becomes: str) -> None:
    keyword._told.discard(name)
    if becomes == "works":
        assert spec("true", **{name: value}) != spec("true")
    elif becomes == "refused":
        with pytest.raises(UnimplementedError, match=rf"`{name}` is not available in this version of Motet\. .+\."):
            spec("true", **{name: value})
    else:
        with pytest.warns(UserWarning, match=rf"`{name}=.*` has no effect"):
            assert spec("true", **{name: value}) == spec("true")


EXEC: dict[str, tuple[Any, str]] = {
    "stdout": (StreamType.DEVNULL, "works"),
    "stderr": (StreamType.DEVNULL, "works"),
    "timeout": (10, "works"),
    "workdir": ("/srv", "works"),
    "env": ({"A": "b"}, "works"),
    "secrets": ([motet.Secret.from_dict({"A": "b"})], "works"),
    "pty": (True, "works"),
    "text": (False, "streams"),
    "bufsize": (1, "streams"),
    "pty_info": (object(), "refused"),
    "_pty_info": (object(), "refused"),
}
"""What becomes of each parameter of Modal's `Sandbox.exec`, as of 2026-11: it changes what runs, says how this program sees its
streams, or is refused with a sentence."""


class Server:
    """A connection over which commands begin, and write a line."""

    def __init__(self) -> None:
        self.begun: list[ProcessSpec] = []

    def connected(self) -> Steps[Any]:
        yield from ()
        return self

    def request(self, body: Any) -> Steps[Any]:
        yield from ()
        if isinstance(body.ask, StartProcess):
            self.begun.append(body.ask.process)
            return AskDone()
        return OutputRead(0, b"line\n", True)


def executed(**options: Any) -> tuple[ProcessSpec, Any]:
    """What `exec` asks a sandbox for, and what its caller reads."""
    server = Server()
    process = motet.Sandbox("sb-1", server.connected).exec("true", **options)
    return server.begun[0], process.stdout.read() if options.get("stdout") is None else None


def test_every_parameter_of_exec_is_in_the_table_and_no_other() -> None:
    parameters = inspect.signature(motet.Sandbox("sb-1").exec._body).parameters
    assert set(parameters) - {"args"} == set(EXEC)


@pytest.mark.parametrize(("name", "value", "becomes"), [(name, *row) for name, row in EXEC.items()])
def test_a_parameter_of_exec_works_or_is_refused_with_a_sentence(name: str, value: Any, becomes: str) -> None:
    plain = executed()
    if becomes == "refused":
        with pytest.raises(UnimplementedError, match=rf"`{name}` is not available in this version of Motet\. .+\."):
            executed(**{name: value})
    elif becomes == "works":
        assert executed(**{name: value})[0] != plain[0]
    else:
        assert plain[1] == "line\n"
        assert executed(**{name: value}) == (plain[0], b"line\n" if name == "text" else "line\n")


def test_an_unknown_keyword_is_one() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'tiemout'"):
        spec("true", tiemout=3)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("ls", 3), "All entrypoint arguments must be strings; got 3"),
        (("ls", "a\0b"), "have a NUL"),
        (("x" * 200_000,), "cannot exceed 131072 bytes"),
        (("", "x"), "cannot be empty"),
    ],
)
def test_commands_that_cannot_be_are_told(command: tuple[Any, ...], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        spec(*command)
    with pytest.raises(InvalidError, match=says):
        process_spec(command, workdir=None, env=None, secrets=None, timeout=None, pty=False, keeps=(True, True))


def test_a_sandbox_needs_an_app_that_runs() -> None:
    with pytest.raises(InvalidError, match="Sandboxes require an App when created outside of a container"):
        motet.Sandbox.create("true")
    with pytest.raises(InvalidError, match="the app 'still' is not running"):
        motet.Sandbox.create("true", app=motet.App("still"))
    with pytest.raises(InvalidError, match=r"has to be a motet\.App"):
        motet.Sandbox.create("true", app="x")
    with pytest.raises(InvalidError, match="is not the id of a sandbox"):
        motet.Sandbox.from_id("fu-1")
