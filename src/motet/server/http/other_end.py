"""The other end of a connection, if it lies on this machine: whether a process still has it.

The end of what a client sends looks the same whether it closed its half of the connection, and waits for its answer, or all of
it. From another machine the difference shows only once something is sent there; of this one the kernel can be asked.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST = 1
_NO_COOKIE = 0xFFFFFFFF
_ANY_STATE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBBI")
_IDENTITY = struct.Struct("!HH16s16s")
_REST = struct.Struct("=III")
_INODE_AT = _HEADER.size + 4 + _IDENTITY.size + _REST.size + 4 * 4
_INODE = struct.Struct("=I")


def is_held(connection: socket.socket) -> bool | None:
    """Whether a process of this machine has the other end of a TCP connection; None if that cannot be told from here."""
    try:
        here, there = connection.getsockname()[:2], connection.getpeername()[:2]
        addresses = [_address(host) for host, _ in (there, here)]
    except (OSError, ValueError):
        return None
    if not addresses[0].is_loopback and addresses[0] != addresses[1]:
        return None
    with contextlib.suppress(OSError, struct.error):
        if _inode(addresses, there[1], here[1]):
            return True
        if _inode(addresses[::-1], here[1], there[1]):  # a kernel that tells of sockets knows this end
            return False
    return None


def _address(host: str) -> IPv4Address | IPv6Address:
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _inode(addresses: list[IPv4Address | IPv6Address], port: int, other_port: int) -> int:
    """The inode of the socket from the first address and port to the second; 0 if there is none, or nobody has it."""
    family = socket.AF_INET if addresses[0].version == 4 else socket.AF_INET6
    identity = _IDENTITY.pack(port, other_port, *(it.packed.ljust(16, b"\0") for it in addresses))
    question = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    question += identity + _REST.pack(0, _NO_COOKIE, _NO_COOKIE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
        kernel.setblocking(False)  # it answers within the call
        kernel.send(_HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 0, 0) + question)
        answer = kernel.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _BY_FAMILY:  # an error: there is no such socket
        return 0
    inode: int = _INODE.unpack_from(answer, _INODE_AT)[0]
    return inode
