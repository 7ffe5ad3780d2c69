"""Sandboxes: what clients ask of a server, what is asked of a sandbox itself, and the talk between server and sandbox.

A client's request names a sandbox and has an *ask* in it, which the server hands on to the supervisor in that sandbox, and
whose answer it hands back. An ask can be made again without harm, as when the server was away: processes have ids that the
client makes, and what is read and written has its place.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from motet.model.hidden import hides_secrets
from motet.model.image import BuildPlace
from motet.model.limits import Index, Moment, Name
from motet.model.sandbox import (
    Chunk,
    FileChange,
    Path,
    ProcessSpec,
    PtySize,
    SandboxEnd,
    SandboxFile,
    SandboxFileChanged,
    SandboxSpec,
    SandboxView,
    Size,
)
from motet.wire.hello import Agreed, Refused
from motet.wire.message import Message

Stream = Literal["stdout", "stderr"]

# --- what is asked of a sandbox itself ----------------------------------------------------------------------------------


class StartProcess(Message, tag="start_process", frozen=True):
    """Run a command under this id, unless it runs or ran already; answered by `AskDone` once it runs."""

    process_id: Name
    process: ProcessSpec


class AwaitProcess(Message, tag="await_process", frozen=True):
    """How a process ended; answered by `ProcessViewed`: with `wait`, once it has."""

    process_id: Name
    wait: bool = True


class EndProcess(Message, tag="end_process", frozen=True):
    """Have a process end (SIGTERM, and SIGKILL after a while); answered by `AskDone`. One that has ended is left alone."""

    process_id: Name


class ReadOutput(Message, tag="read_output", frozen=True):
    """What a process has written from this byte on; answered by `OutputRead`: with `wait`, once there is something, or it is
    over. What is before `offset` is not wanted any more."""

    process_id: Name
    stream: Stream
    offset: Size
    wait: bool = True


class WriteInput(Message, tag="write_input", frozen=True):
    """Bytes for a process's stdin, which begin at this place of all that it gets; answered by `AskDone` when there is room for
    more. `eof`: nothing comes after these."""

    process_id: Name
    offset: Size
    data: Chunk
    eof: bool = False


class ResizePty(Message, tag="resize_pty", frozen=True):
    """The terminal of a process has another size; answered by `AskDone`."""

    process_id: Name
    size: PtySize


class ReadFile(Message, tag="read_file", frozen=True):
    """A part of a file; answered by `FileRead`."""

    path: Path
    offset: Size
    count: Size


class WriteFile(Message, tag="write_file", frozen=True):
    """Put these bytes into a file at `offset` (-1: at its end); answered by `FileWritten`. `create`: it may be made, with
    `parents` the directories above it, too; `only_new`: it must not be there. `truncate`: nothing of what was in it stays."""

    path: Path
    offset: Index
    data: Chunk
    create: bool = True
    only_new: bool = False
    truncate: bool = False
    parents: bool = False


class ListFiles(Message, tag="list_files", frozen=True):
    """What is in a directory; answered by `FilesListed`."""

    path: Path


class StatFile(Message, tag="stat_file", frozen=True):
    """A file or directory, links not followed; answered by `FilesListed` with one."""

    path: Path


class MakeDirectory(Message, tag="make_directory", frozen=True):
    """Answered by `AskDone`. `parents`: also those above it, and one that is there is no error."""

    path: Path
    parents: bool = False


class RemoveFile(Message, tag="remove_file", frozen=True):
    """Answered by `AskDone`. `recursive`: a directory with all that is in it."""

    path: Path
    recursive: bool = False


class WatchFiles(Message, tag="watch_files", frozen=True):
    """What changes in a file or directory; answered by `FilesChanged` once something has, `after` so many of this `watch_id`.
    The first one begins the watch, `over` ends it. `kinds`: empty: all. `seconds`: answer with nothing after so long."""

    watch_id: Name
    path: Path
    after: Size = 0
    recursive: bool = False
    kinds: tuple[FileChange, ...] = ()
    over: bool = False
    seconds: float | None = None


SandboxAsk = (
    StartProcess
    | AwaitProcess
    | EndProcess
    | ReadOutput
    | WriteInput
    | ResizePty
    | ReadFile
    | WriteFile
    | ListFiles
    | StatFile
    | MakeDirectory
    | RemoveFile
    | WatchFiles
)


class AskDone(Message, tag="ask_done", frozen=True):
    """It was done, and there is nothing to tell."""


class ProcessViewed(Message, tag="process_viewed", frozen=True):
    """`returncode`: None: it runs."""

    returncode: int | None


class OutputRead(Message, tag="output_read", frozen=True):
    """Bytes from `offset` on: later than was asked for where those before are lost. `over`: nothing comes after these."""

    offset: Size
    data: Chunk
    over: bool = False


class FileRead(Message, tag="file_read", frozen=True):
    """`size`: of the whole file."""

    data: Chunk
    size: Size


class FileWritten(Message, tag="file_written", frozen=True):
    """Where the bytes end in the file."""

    offset: Size


class FilesListed(Message, tag="files_listed", frozen=True):
    files: list[SandboxFile]


class FilesChanged(Message, tag="files_changed", frozen=True):
    """`after`: for the next `WatchFiles`."""

    changes: list[SandboxFileChanged]
    after: Size


class AskFailed(Message, tag="ask_failed", frozen=True):
    """It could not be done; `kind` is the name of one of Motet's errors, with `text`."""

    kind: Name
    text: str


SandboxAnswer = AskDone | ProcessViewed | OutputRead | FileRead | FileWritten | FilesListed | FilesChanged | AskFailed

# --- requests of clients ------------------------------------------------------------------------------------------------


class CreateSandbox(Message, tag="create_sandbox", frozen=True):
    """Start a sandbox under this id, which the client has made; answered by `SandboxViewed` once its command runs. `app_id`:
    the app whose end is the sandbox's; empty: it is found by the name of an app, and lives until it ends by itself. `place`:
    where code is that its image runs while it is built, and adds."""

    sandbox_id: Name
    app_id: Name
    app_name: Name
    spec: SandboxSpec
    place: BuildPlace = BuildPlace()


class FindSandbox(Message, tag="find_sandbox", frozen=True):
    """The sandbox of this id, or else of this name in this app; answered by `SandboxViewed`. `wait`: once it has ended."""

    sandbox_id: Name
    app_name: Name = ""
    name: Name = ""
    wait: bool = False


class ListSandboxes(Message, tag="list_sandboxes", frozen=True):
    """Those that run, the newest first, of an app (empty: of all) and with all these tags; answered by `SandboxesListed`.
    `ended`: also those that have ended, and of which something is kept."""

    app_id: Name = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    ended: bool = False


class TagSandbox(Message, tag="tag_sandbox", frozen=True):
    """Give a sandbox these tags in place of those it has; answered by `SandboxViewed`."""

    sandbox_id: Name
    tags: dict[str, str]


class EndSandbox(Message, tag="end_sandbox", frozen=True):
    """End a sandbox with all that runs in it; answered by `SandboxViewed` once nothing of it is left. One that has ended
    stays as it is."""

    sandbox_id: Name


class OpenTunnels(Message, tag="open_tunnels", frozen=True):
    """Have ports of a sandbox be reached over TLS: its `encrypted_ports` and `h2_ports`; answered by `TunnelsOpened`."""

    sandbox_id: Name


class SnapshotSandbox(Message, tag="snapshot_sandbox", frozen=True):
    """Keep the files of a sandbox as an image with this id, which the client has made; answered by `SandboxSnapshotted`.
    `seconds`: how long that may take."""

    sandbox_id: Name
    snapshot_id: Name
    seconds: Moment


class AskSandbox(Message, tag="ask_sandbox", frozen=True):
    """Have the sandbox itself do something; answered as the ask is."""

    sandbox_id: Name
    ask: SandboxAsk


SandboxRequest = (
    CreateSandbox | FindSandbox | ListSandboxes | TagSandbox | EndSandbox | OpenTunnels | SnapshotSandbox | AskSandbox
)


class SandboxViewed(Message, tag="sandbox_viewed", frozen=True):
    view: SandboxView


class SandboxSnapshotted(Message, tag="sandbox_snapshotted", frozen=True):
    """`image`: the name that the engine has it by."""

    image: Name


class TunnelsOpened(Message, tag="tunnels_opened", frozen=True):
    """The port of the server's machine at which each port is reached. `certificate`: what is shown there, as PEM."""

    ports: dict[int, int]
    certificate: str


class SandboxesListed(Message, tag="sandboxes_listed", frozen=True):
    views: list[SandboxView]


SandboxReply = (
    SandboxViewed
    | SandboxesListed
    | SandboxSnapshotted
    | TunnelsOpened
    | AskDone
    | ProcessViewed
    | OutputRead
    | FileRead
    | FileWritten
    | FilesListed
    | FilesChanged
)

# --- between a server and a sandbox -------------------------------------------------------------------------------------


@hides_secrets
class BeginSandbox(Message, tag="begin_sandbox", frozen=True):
    """What a new sandbox is to be. Its environment came with its start. `survives`: it outlives its server, and comes back to
    the next one."""

    spec: SandboxSpec
    survives: bool = False


class KeepTags(Message, tag="keep_tags", frozen=True):
    """The sandbox's tags, which it tells the next server."""

    tags: dict[str, str]


class Ask(Message, tag="ask", frozen=True):
    """Answered by `Answered` with this number."""

    number: int
    ask: SandboxAsk


class ForgetAsk(Message, tag="forget_ask", frozen=True):
    """The answer is not wanted any more."""

    number: int


class FinishSandbox(Message, tag="finish_sandbox", frozen=True):
    """End all that runs, tell what it wrote last, and end."""

    why: SandboxEnd


class SandboxBegan(Message, tag="sandbox_began", frozen=True):
    """The command runs; or, if there is a `failure` (see `AskFailed`), it could not be started."""

    failure: AskFailed | None = None


class SandboxIsBack(Message, tag="sandbox_is_back", frozen=True):
    """First on the connection of a sandbox that comes back to another server."""

    tags: dict[str, str]


class Answered(Message, tag="answered", frozen=True):
    """The answer to an `Ask`."""

    number: int
    answer: SandboxAnswer


class SandboxEnded(Message, tag="sandbox_ended", frozen=True):
    """The last that a sandbox says: its command has ended with this code, and what of its output is kept, from these places
    on."""

    why: SandboxEnd
    returncode: int
    stdout_offset: Size
    stdout: bytes
    stderr_offset: Size
    stderr: bytes


ToSandbox = Agreed | Refused | BeginSandbox | KeepTags | Ask | ForgetAsk | FinishSandbox
FromSandbox = SandboxBegan | SandboxIsBack | Answered | SandboxEnded
