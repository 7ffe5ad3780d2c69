"""What code in a container may try: each function returns whether it got away with it. Run by `test_escapes` on each level."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from motet.wire.template import Fork

FORKS = 100
_MACHINE = os.uname().machine
_KEYCTL, _ADD_KEY = {"aarch64": (219, 217)}.get(_MACHINE, (250, 248))
_BPF, _USERFAULTFD = {"aarch64": (280, 282)}.get(_MACHINE, (321, 323))
_IO_URING_SETUP = 425
_PTRACE_TRACEME = 0
_CLONE_NEWUSER = 0x10000000
_SESSION_KEYRING = -3
_GET_KEYRING_ID = 0


def play(fork: Fork) -> int:
    """Do what the environment's ACT says: [function, arguments]."""
    name, arguments = json.loads(os.environ["ACT"])
    globals()[name](**arguments)
    return 0


def live(directory: str) -> None:
    """The one who is attacked: it has a secret in its environment, a file, and a process."""
    Path("file").write_text("untouched")
    print(json.dumps([os.getpid(), os.getcwd()]), flush=True)
    signal.pause()


def try_all(**victim: Any) -> None:
    """Try everything, and tell what worked."""
    print(json.dumps({name: bool(attempt(victim)) for name, attempt in ATTEMPTS.items()}), flush=True)


def take(mib: int) -> None:
    """Use memory."""
    taken = bytearray(mib * 2**20)
    for at in range(0, len(taken), 4096):
        taken[at] = 1
    print("taken", flush=True)
    signal.pause()


def fill(mib: int) -> None:
    """Use the disk."""
    Path("large").write_bytes(bytes(mib * 2**20))
    print("filled", flush=True)
    signal.pause()


def began_at(pid: int) -> int:
    """When a process did, in ticks since the machine started."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


# --- attempts ---------------------------------------------------------------------------------------------------------


def _read_secrets(victim: dict[str, Any]) -> bool:
    # Not written out anywhere: this process must have it from elsewhere to find it.
    begins, ends = victim["parts"]
    secret = f"{begins}{ends}".encode()
    return any(_memory_has(process, secret) for process in (str(victim["pid"]), "self"))


def _memory_has(process: str, secret: bytes) -> bool:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/maps").read_text().splitlines()
        with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
            for line in lines:
                where, rights, *_ = line.split()
                start, end = (int(it, 16) for it in where.split("-"))
                if rights.startswith("rw"):
                    with contextlib.suppress(OSError, ValueError, OverflowError):
                        memory.seek(start)
                        found = memory.read(end - start)
                        # In this process it stands where this function has put it together.
                        if found.count(b"VICTIMS=" + secret):
                            return True
    return False


def _write_files(victim: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError):
        Path(victim["directory"], "file").write_text("touched")
        return True
    return False


def _through_links(victim: dict[str, Any]) -> bool:
    """Of either kind, also where the file itself cannot be named."""
    for make, name in ((os.symlink, "soft"), (os.link, "hard")):
        with contextlib.suppress(OSError):
            make(os.path.join(victim["directory"], "file"), name)
            with open(name, "r+"):
                return True
    return False


def _signal_processes(victim: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError):
        os.kill(victim["pid"], signal.SIGCONT)
        return True
    return False


def _reach_home(victim: dict[str, Any]) -> bool:
    reached = Path(victim["home"]).exists()
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{victim['home']}/socket")
        reached = True
    return reached


def _see_processes(victim: dict[str, Any]) -> bool:
    return str(victim["tester"]) in os.listdir("/proc")


def _fork_bomb(victim: dict[str, Any]) -> bool:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for _ in range(FORKS):
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(children) == FORKS


def _raw_socket(victim: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
        return True
    return False


def _ptrace(victim: dict[str, Any]) -> bool:
    # In a process of its own: who is traced stops at the next signal.
    code = f"import ctypes, os; os._exit(ctypes.CDLL(None).ptrace({_PTRACE_TRACEME}, 0, 0, 0) & 1)"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _keyring(victim: dict[str, Any]) -> bool:
    return int(ctypes.CDLL(None).syscall(_KEYCTL, _GET_KEYRING_ID, _SESSION_KEYRING, 1)) >= 0


def _namespaces(victim: dict[str, Any]) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(1 if ctypes.CDLL(None).unshare(_CLONE_NEWUSER) else 0)
    return os.waitpid(pid, 0)[1] == 0


def _mount(victim: dict[str, Any]) -> bool:
    Path("mounted").mkdir(exist_ok=True)
    mounted = ctypes.CDLL(None).mount(b"none", os.fsencode(os.path.abspath("mounted")), b"tmpfs", 0, None) == 0
    if mounted:
        ctypes.CDLL(None).umount2(os.fsencode(os.path.abspath("mounted")), 2)
    return mounted


def _system_files(victim: dict[str, Any]) -> bool:
    for path in ("/usr/bin/motet-was-here", "/etc/motet-was-here"):
        with contextlib.suppress(OSError):
            Path(path).touch()
            Path(path).unlink()
            return True
    return False


def _proc(victim: dict[str, Any]) -> bool:
    """What /proc tells of the machine, or lets change."""
    # In a namespace of its own the first process is another one.
    first = ["/proc/1/environ"] if began_at(1) == victim["machine"] else []
    for path in (*first, f"/proc/{victim['tester']}/environ", "/proc/kcore"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if file.read(16):
                return True
    with contextlib.suppress(OSError):
        os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
        return True
    return os.access("/proc/sys/kernel/core_pattern", os.W_OK)


def _network(victim: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", victim["port"]), 10):
        return True
    return False


def _abstract_socket(victim: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"\0{victim['abstract']}")
        return True
    return False


def _kernel_memory(victim: dict[str, Any]) -> bool:
    """Parts of the kernel that most ways out of walls went through: io_uring, userfaultfd."""
    calls = ctypes.CDLL(None)
    parameters = ctypes.create_string_buffer(256)
    return int(calls.syscall(_IO_URING_SETUP, 4, parameters)) >= 0 or int(calls.syscall(_USERFAULTFD, 1)) >= 0


def _bpf(victim: dict[str, Any]) -> bool:
    array_of_four = struct.pack("IIII", 2, 4, 4, 1).ljust(128, b"\0")
    return int(ctypes.CDLL(None).syscall(_BPF, 0, array_of_four, 72)) >= 0


def _control_groups(victim: dict[str, Any]) -> bool:
    places = ("/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/cgroup.procs")
    return any(os.access(path, os.W_OK) for path in places)


ATTEMPTS = {
    "read another function's secrets and environment": _read_secrets,
    "write to another function's files": _write_files,
    "reach another function's files by links": _through_links,
    "signal another function's processes": _signal_processes,
    "reach the server's home, and sockets there": _reach_home,
    "see other processes, also of other users": _see_processes,
    "start processes without end": _fork_bomb,
    "change files of the system": _system_files,
    "open raw sockets": _raw_socket,
    "trace processes (ptrace)": _ptrace,
    "use keyrings of the kernel": _keyring,
    "make namespaces": _namespaces,
    "mount": _mount,
    "read or change the machine by /proc": _proc,
    "use io_uring or userfaultfd": _kernel_memory,
    "load something into the kernel (BPF)": _bpf,
    "change control groups of the machine": _control_groups,
    "reach abstract sockets of other programs": _abstract_socket,
    "reach this machine's network, and a metadata address": _network,
}
"""By what docs/security.md says of each."""
