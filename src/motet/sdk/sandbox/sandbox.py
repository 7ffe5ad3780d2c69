"""`motet.Sandbox`: a container whose entry is a command, and what can be done with it while it runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, cast

from motet.client.connection import Connection
from motet.client.dual import Dual, DualIterator, HandOut, ItemSteps, Steps, dual, dual_items, run_async, run_blocking
from motet.client.new_ids import new_process_id, new_sandbox_id
from motet.client.running_app import RunningApp, container_app
from motet.client.standing import StandingApp, connection_for_id
from motet.errors import InvalidError, SandboxTerminatedError, SandboxTimeoutError, UnimplementedError
from motet.model.ids import checked_id
from motet.model.image import BuildPlace, ImageSpec, RegistryImage
from motet.model.sandbox import MAIN, PREFIX, PtySize, SandboxView
from motet.sdk.call.handle import Handle
from motet.sdk.call.logs import Logs
from motet.sdk.declare.app import App
from motet.sdk.options.image import Image
from motet.sdk.options.secret import Secret
from motet.sdk.sandbox.container_process import ContainerProcess
from motet.sdk.sandbox.file_io import FileIO
from motet.sdk.sandbox.filesystem import FileWatchEvent, FileWatchEventType, SandboxFilesystem
from motet.sdk.sandbox.io_streams import StreamReader, StreamWriter
from motet.sdk.sandbox.options import checked_tags, process_spec, sandbox_spec
from motet.sdk.sandbox.reached import Reached
from motet.sdk.sandbox.stream_type import StreamType
from motet.sdk.sandbox.tunnel import HOST, Tunnel
from motet.wire import sandbox_messages as m

Connect = Callable[[], Steps[Connection]]


class Sandbox(Handle):
    """A command in a container of its own: `sandbox = motet.Sandbox.create("sleep", "100", app=app)`, then
    `sandbox.exec("python", "-c", "print(1)")`.

    It lives until its command ends, its `timeout` is over, or somebody ends it; of an app that runs in a program, until the
    program's run ends. Handles are values: they can be sent to functions, and made from an id.
    """

    create: ClassVar[Dual[..., Sandbox]]
    """`Sandbox.create(*command, app=..., **options)`: start one; see `SandboxOptions`. Returns once its command runs. Raises
    `NotFoundError` for a command or directory that is not there, and `ResourceExhaustedError` where no more may run."""
    from_id: ClassVar[Dual[[str], Sandbox]]
    """`Sandbox.from_id("sb-...")`: one that runs, or has ended lately. Raises `NotFoundError`."""
    from_name: ClassVar[Dual[..., Sandbox]]
    """`Sandbox.from_name("app", "name")`: the one that runs under this name. Raises `NotFoundError`."""
    list: ClassVar[DualIterator[..., Sandbox]]
    """`Sandbox.list(app_id=..., tags={...})`: those that run, the newest first, with all these tags."""

    def __init__(self, sandbox_id: str, connect: Connect | None = None, app_id: str = "") -> None:
        self._reached = reached = Reached(sandbox_id, connect)
        self._app_id = app_id
        self._returncode: int | None = None
        self._stdout: StreamReader[str] = StreamReader(reached, MAIN, "stdout", text=True)
        self._stderr: StreamReader[str] = StreamReader(reached, MAIN, "stderr", text=True)
        self._stdin = StreamWriter(reached, MAIN)
        self._filesystem = SandboxFilesystem(reached)

    @property
    def object_id(self) -> str:
        """`sb-...`"""
        return self._reached.sandbox_id

    @property
    def stdout(self) -> StreamReader[str]:
        """What its command writes to stdout."""
        return self._stdout

    @property
    def stderr(self) -> StreamReader[str]:
        """What its command writes to stderr."""
        return self._stderr

    @property
    def stdin(self) -> StreamWriter:
        """What its command gets."""
        return self._stdin

    @property
    def returncode(self) -> int | None:
        """The code of its command, as `wait` or `poll` saw it last; None while it runs. 124: its `timeout` was over. 137: it
        was terminated."""
        return self._returncode

    @property
    def filesystem(self) -> SandboxFilesystem:
        """Its files."""
        return self._filesystem

    @property
    def logs(self) -> Logs:
        """What its command writes and has written, as it is recorded: also when it has ended."""
        return Logs(self._reached.connected, container_id=self.object_id)

    # --- its life ---

    @dual
    def wait(self, raise_on_termination: bool = True) -> Steps[None]:
        """Return once it has ended. Raises `SandboxTimeoutError` if its `timeout` was over and, unless that is not wanted,
        `SandboxTerminatedError` if it was ended, or lost, or something in it was for want of memory."""
        view = yield from self._view(wait=True)
        if view.ended == "timeout":
            raise SandboxTimeoutError(f"sandbox {self.object_id} was ended: {view.reason}")
        # A command that ends by itself has no reason but its code.
        if (view.ended != "exited" or view.reason) and raise_on_termination:
            raise SandboxTerminatedError(f"sandbox {self.object_id} was ended: {view.reason}")

    @dual
    def poll(self) -> Steps[int | None]:
        """The code of its command; None while it runs."""
        yield from self._view()
        return self._returncode

    @dual
    def terminate(self, *, wait: bool = False) -> Steps[int | None]:
        """End it now, with all that runs in it. With `wait`, its code. One that has ended is left as it is."""
        reply = yield from self._reached.request(m.EndSandbox(self.object_id))
        self._returncode = reply.view.returncode
        return self._returncode if wait else None

    @dual
    def detach(self) -> Steps[None]:
        """Let go of it, which changes nothing for the sandbox: this handle can be used no more. Idempotent."""
        self._reached.is_detached = True
        yield from ()

    def _view(self, *, wait: bool = False) -> Steps[SandboxView]:
        reply = yield from self._reached.request(m.FindSandbox(self.object_id, wait=wait))
        self._returncode = reply.view.returncode
        return reply.view  # type: ignore[no-any-return]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        run_blocking(self._leave())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await run_async(self._leave())

    def _leave(self) -> Steps[None]:
        if not self._reached.is_detached:
            yield from self._reached.request(m.EndSandbox(self.object_id))

    # --- commands ---

    @dual
    def exec(
        self,
        *args: str,
        stdout: StreamType = StreamType.PIPE,
        stderr: StreamType = StreamType.PIPE,
        timeout: float | None = None,
        workdir: str | None = None,
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        text: bool = True,
        bufsize: Literal[-1, 1] = -1,
        pty: bool | PtySize = False,
        pty_info: object = None,
        _pty_info: object = None,
    ) -> Steps[ContainerProcess[Any]]:
        """Run a command in it, besides its own. Returns once the command runs. `timeout`: seconds after which it is killed.
        `text`: its streams are text. `pty`: it gets a terminal, and all it writes is in stdout.

        Raises `NotFoundError` for a command or directory that is not there, `SandboxTerminatedError` once the sandbox has
        ended, and `ResourceExhaustedError` where as many run as may.
        """
        for name, said in (("pty_info", pty_info), ("_pty_info", _pty_info)):
            if said is not None:
                raise UnimplementedError(
                    f"`{name}` is not available in this version of Motet. Say `pty=True`, or a size as "
                    "`pty=PtySize(rows, columns)`."
                )
        if bufsize not in (-1, 1):
            raise InvalidError(f"`bufsize` must be -1 or 1 (lines), got {bufsize!r}")
        if bufsize == 1 and not text:
            raise InvalidError("line-buffering is only supported when text=True")
        for name, kind in (("stdout", stdout), ("stderr", stderr)):
            if not isinstance(kind, StreamType):
                raise InvalidError(f"`{name}` must be a StreamType, got {kind!r}")
        keeps = stdout is not StreamType.DEVNULL, stderr is not StreamType.DEVNULL
        settings: Any = {"workdir": workdir, "env": env, "secrets": secrets, "timeout": timeout, "pty": pty}
        process_id = new_process_id()
        yield from self._reached.ask(m.StartProcess(process_id, process_spec(args, keeps=keeps, **settings)))
        return ContainerProcess(self._reached, process_id, text=text, stdout=stdout, stderr=stderr)

    # --- files, by the older names ---

    @dual
    def open(self, path: str, mode: str = "r") -> Steps[FileIO[Any]]:
        """A file of it, with the methods of Python's own. `filesystem` reads and writes whole files."""
        return (yield from FileIO[Any](self._reached, path, mode).open())

    @dual
    def ls(self, path: str = ".") -> Steps[Sequence[str]]:
        """The names in a directory."""
        answer = yield from self._reached.ask(m.ListFiles(path))
        return [each.name for each in answer.files]

    @dual
    def mkdir(self, path: str, parents: bool = False) -> Steps[None]:
        """Make a directory; with `parents` those above it, too."""
        yield from self._reached.ask(m.MakeDirectory(path, parents))

    @dual
    def rm(self, path: str, recursive: bool = False) -> Steps[None]:
        """Remove a file or an empty directory; with `recursive` a directory with all that is in it."""
        yield from self._reached.ask(m.RemoveFile(path, recursive))

    @dual_items
    def watch(
        self,
        path: str,
        filter: Sequence[FileWatchEventType] | None = None,
        recursive: bool | None = None,
        timeout: int | None = None,
    ) -> ItemSteps[FileWatchEvent]:
        """See `filesystem.watch`."""
        yield from self._filesystem.watch_steps(path, filter, bool(recursive), timeout)

    # --- the rest ---

    @dual
    def get_tags(self) -> Steps[dict[str, str]]:
        """Its tags."""
        return (yield from self._view()).tags

    @dual
    def set_tags(self, tags: Mapping[str, str], *, client: object = None) -> Steps[None]:
        """Replace its tags."""
        yield from self._reached.request(m.TagSandbox(self.object_id, checked_tags(tags)))

    @dual
    def tunnels(self, timeout: int = 50) -> Steps[dict[int, Tunnel]]:
        """Where each of its ports is reached, on the machine that it runs on."""
        view = yield from self._view()
        found = {port: Tunnel("", 0, HOST, port) for port in view.unencrypted_ports}
        if view.encrypted_ports or view.h2_ports:
            opened = yield from self._reached.request(m.OpenTunnels(self.object_id))
            found |= {port: Tunnel(HOST, at, certificate=opened.certificate) for port, at in opened.ports.items()}
        return dict(sorted(found.items()))

    @dual
    def snapshot_filesystem(self, timeout: int = 55, *, ttl: int | None = None) -> Steps[Image]:
        """Its files as they are now, as an image for `create(image=..., isolation="oci")`, which `motet image prune` removes
        when nobody has used it for long. Raises `UnimplementedError` at other levels than `oci`."""
        if ttl is not None:
            raise UnimplementedError(
                "`ttl` is not available: `motet image prune` removes snapshots that nobody has used for long"
            )
        snapshot_id = new_sandbox_id()[len(PREFIX) :]
        reply = yield from self._reached.request(m.SnapshotSandbox(self.object_id, snapshot_id, float(timeout)))
        return Image(ImageSpec(steps=(RegistryImage(reference=reply.image),)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Sandbox, (self.object_id,)

    def __repr__(self) -> str:
        return f"Sandbox({self.object_id!r})"


def _create(*args: str, app: App | None = None, **options: Any) -> Steps[Sandbox]:
    connect, app_id, app_name = _where(app)
    image = None if app is None or app.image is None else app.image.spec
    spec = sandbox_spec(args, options, image)
    reached = Reached(new_sandbox_id(), connect)
    place = BuildPlace()
    if spec.image.steps or spec.image.files or spec.isolation == "oci":
        from motet.sdk.sandbox.image import build_place, have_built  # late: most sandboxes have no image of their own

        place = build_place()
        if container_app() is None:  # code in containers may have nothing built beforehand: the server sees to it
            yield from have_built((yield from connect()), app_name, spec, place)
    yield from reached.request(m.CreateSandbox(reached.sandbox_id, app_id, app_name, spec, place))
    return Sandbox(reached.sandbox_id, connect, app_id)


def _where(app: App | None) -> tuple[Connect, str, str]:
    """Over which connection a sandbox is created, and for which app."""
    if app is not None and not isinstance(app, App):
        raise InvalidError(f"`app=` has to be a motet.App, got {app!r}")
    running: RunningApp | None = container_app() if app is None else app.running or container_app()
    if running is None:
        if app is None:
            raise InvalidError(
                "Sandboxes require an App when created outside of a container. Give `app=`: one that runs "
                '(`with app.run():`), or `motet.App.lookup("name", create_if_missing=True)`.'
            )
        raise InvalidError(
            f"the app {app.name or '(unnamed)'!r} is not running: create sandboxes inside `with app.run():`, or in an app of a "
            'server that stays: `motet.App.lookup("name", create_if_missing=True)`'
        )
    # A deployed app has one version after the other, and a sandbox is none of theirs.
    app_id = "" if isinstance(running, StandingApp) else running.app_id
    return running.connected, app_id, running.name


def _from_id(sandbox_id: str, client: object = None) -> Steps[Sandbox]:
    found = Sandbox(checked_id(sandbox_id, "sb", "sandbox"))
    yield from found._view()
    return found


def _from_name(
    app_name: str, name: str, *, environment_name: str | None = None, client: object = None
) -> Steps[Sandbox]:
    connection, _ = yield from connection_for_id(f"sandbox {name!r} of app {app_name!r}")
    reply = yield from connection.request(m.FindSandbox("", app_name, name))
    return Sandbox(reply.view.sandbox_id)


def _list(
    *, app_id: str | None = None, tags: Mapping[str, str] | None = None, client: object = None
) -> ItemSteps[Sandbox]:
    connection, _ = yield from connection_for_id("a list of sandboxes")
    reply = yield from connection.request(m.ListSandboxes(app_id or "", checked_tags(tags or {})))
    yield HandOut([Sandbox(view.sandbox_id) for view in reply.views])


Sandbox.create = Dual(_create, "Sandbox.create")
Sandbox.from_id = cast("Dual[[str], Sandbox]", Dual(_from_id, "Sandbox.from_id"))
Sandbox.from_name = Dual(_from_name, "Sandbox.from_name")
Sandbox.list = DualIterator(_list, "Sandbox.list")
