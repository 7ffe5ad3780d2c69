"""What containers of the process backend run in its tests, in place of `motet.runtime.container:main`."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from motet.wire.agent import Attach, agent_frame
from motet.wire.template import Fork

FOREVER = ["sleep", "3600"]


def play(fork: Fork) -> int:
    """Do what the environment's ACT says: [entry's name, arguments ...]."""
    name, *arguments = json.loads(os.environ["ACT"])
    result = globals()[name](*arguments)
    return result if isinstance(result, int) else 0


class Played:
    """A `PreparedContainer` that has done what its configuration says: [entry's name, arguments ...]."""

    def __init__(self, configuration: bytes) -> None:
        self.has_failed = False
        self.obstacle: str | None = None
        name, *arguments = json.loads(configuration)
        getattr(self, name)(*arguments)

    def imports(self, text: str) -> None:
        self.made_in = os.getpid()
        print(text, flush=True)

    def fails(self) -> None:
        self.made_in = os.getpid()
        self.has_failed = True

    def cannot(self, why: str) -> None:
        print("tried", flush=True)
        self.obstacle = why

    def hangs(self) -> None:
        print("begun", flush=True)
        wait()

    def dies(self) -> None:
        os._exit(3)

    def begin(self, fork: Fork) -> int:
        print(f"made in {self.made_in}", flush=True)
        return play(fork)


def prepare(configuration: bytes) -> Played:
    return Played(configuration)


def act(writes: list[tuple[str, str]], code: int | None) -> int:
    for stream, text in writes:
        getattr(sys, stream).write(text)
    if code is None:
        wait()
    return code or 0


def wait() -> None:
    while True:
        signal.pause()


def tell_surroundings() -> None:
    """Everything that should be the container's own, as JSON."""
    print(
        json.dumps(
            {
                "env": {os.fsencode(k).hex(): os.fsencode(v).hex() for k, v in os.environ.items()},
                "child_env": subprocess.check_output(["/usr/bin/env"], text=True, errors="replace").splitlines(),
                "cwd": os.getcwd(),
                "files": os.listdir(),
                "argv": sys.argv,
                "is_leader": os.getsid(0) == os.getpgrp() == os.getpid(),
                "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
                "stdin": os.readlink("/proc/self/fd/0"),
                "utc_offset": time.localtime(0).tm_gmtoff,
                "handlers": [str(signal.getsignal(s)) for s in (signal.SIGTERM, signal.SIGCHLD)],
                "threads": len(os.listdir("/proc/self/task")),
                "user": [os.getresuid(), os.getresgid(), os.getgroups()],
                "mask": os.umask(0o022),
                "groups": Path("/proc/self/cgroup").read_text(),
                "walls": [
                    line
                    for line in Path("/proc/self/status").read_text().splitlines()
                    if line.startswith(("Cap", "NoNew", "Seccomp:"))
                ],
                "processes": resource.getrlimit(resource.RLIMIT_NPROC),
                "name": Path("/proc/self/comm").read_text(),
                "memory_score": Path("/proc/self/oom_score_adj").read_text(),
            }
        )
    )


def tell_template(variable: str) -> None:
    """Its pid, and what a variable of its own is."""
    variables = dict(
        each.split("=", 1) for each in Path(f"/proc/{os.getppid()}/environ").read_text().split("\0") if each
    )
    print(json.dumps([os.getppid(), variables.get(variable)]))


def tell_template_and_stay() -> None:
    print(os.getppid())
    wait()


def fail() -> None:
    raise RuntimeError("this escapes")


def call_exit(code: int) -> None:
    os._exit(code)


def die_of(number: int) -> None:
    os.kill(os.getpid(), number)
    wait()


def spawn() -> None:
    """Have a subprocess and a daemon (double fork, own session, streams closed); tell their pids; stay."""
    child = subprocess.Popen(FOREVER)
    print(json.dumps([os.getpid(), child.pid, _daemon()]))
    wait()


def leave_behind(code: int) -> int:
    """The same, but end; the subprocess keeps our stdout open."""
    child = subprocess.Popen(FOREVER)
    print(json.dumps([os.getpid(), child.pid, _daemon()]))
    return code


def _daemon() -> int:
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid:
            os.write(write, str(pid).encode())
            os._exit(0)
        os.close(read)
        os.close(write)
        os.execvp(FOREVER[0], FOREVER)
    os.close(write)
    os.wait()
    with os.fdopen(read) as file:
        return int(file.read())


def fill_directory() -> None:
    Path("kept").mkdir()
    Path("kept/file").write_text("x" * 100_000)


def write_much(size: int) -> None:
    sys.stdout.write("x" * size)


def run_atexit() -> None:
    import atexit

    atexit.register(print, "left in order")


def take_memory(size: int) -> None:
    print(len(bytearray(b"x") * size))


def print_file(path: str) -> None:
    print(Path(path).read_text())


def keep_files() -> None:
    """Open some, and see whether what the template had open takes their numbers away from them."""
    gc.enable()
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(30)]
    gc.collect()
    for file in files:
        os.fstat(file)


def reopen_streams() -> None:
    with open("/dev/stdout", "w") as stdout, open("/dev/stderr", "w"):
        stdout.write("reopened\n")


def print_now() -> None:
    print(time.monotonic())


def write_when(path: str) -> None:
    """Write once a file is there, and again when what says so is gone."""
    print("up", flush=True)
    while not os.path.exists(path):
        time.sleep(0.01)
    print("meanwhile", flush=True)
    Path(f"{path}.done").touch()
    while os.path.exists(f"{path}.done"):
        time.sleep(0.01)
    print("afterwards", flush=True)
    wait()


def attach(path: str) -> None:
    """Try to be a server to the agent that this container belongs to."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        try:
            sock.sendall(agent_frame(Attach(1.0)))
            answer = sock.recv(1)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    print("let in" if answer else "refused", flush=True)
