"""One UDP socket for listening and dialling.

Decides its options: 4 MiB buffers (the kernel may give less), no fragmenting by the network (RFC 9000, section 14),
both address families on ``::``. Sending never waits: what the kernel does not take is lost, as on any path.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable
from typing import Protocol

from mesh.adapters.quic.addresses import interface_addresses, is_wildcard
from mesh.adapters.quic.engine import Address
from mesh.ports import Host, Unavailable

BUFFER_BYTES = 4 << 20
DRAINED_MAX = 64
"""Datagrams taken in one wake, so that other work of the loop gets its turn."""
_DATAGRAM_BYTES_MAX = 20_000
# Linux' numbers; the socket module does not name them before Python 3.14.
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_DO = 10, 23, 2


class DatagramSocket(Protocol):
    """What carries a transport's datagrams: the system's socket, or the simulator's."""

    whole: bool
    """The network never cuts what is sent into fragments: what is too large for a path is lost."""

    async def open(self, bind: Host, receive: Callable[[list[tuple[bytes, Address]]], None]) -> None:
        """Bind, and give what comes to ``receive``, in batches; Unavailable when that address cannot be had."""

    @property
    def port(self) -> int:
        """The UDP port bound."""

    def hosts(self) -> list[Host]:
        """Give the addresses others can try, as they are now, best first."""

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram, or lose it; never waits."""

    def close(self) -> None:
        """Stop listening."""

    async def resolve(self, host: Host) -> Address:
        """Give the socket address of a host; Unavailable when it has none that this socket reaches."""


class UdpSocket:
    """A bound socket that hands datagrams over in batches; a ``DatagramSocket``."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._bound = ""
        self.family = socket.AF_INET
        self.whole = False
        """The network never cuts what is sent into fragments: what is too large for a path is lost."""
        self.unsent = 0
        """Datagrams the kernel did not take."""

    async def open(self, bind: Host, receive: Callable[[list[tuple[bytes, Address]]], None]) -> None:
        """Bind; Unavailable when the port is taken or the address is not this machine's."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(*bind, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise Unavailable(f"{bind[0]} is no address: {error.strerror}") from error
        except (ValueError, OverflowError) as error:
            raise Unavailable(f"{bind[0][:64]!r} is no address: {error}") from error
        self.family, kind, protocol, _, address = found[0]
        made = socket.socket(self.family, kind, protocol)
        try:
            self.whole = _set_options(made, self.family)
            made.bind(address)
        except OSError as error:
            made.close()
            taken = "; give another with --port, or 0 for a free one" if error.errno == errno.EADDRINUSE else ""
            raise Unavailable(f"cannot listen on UDP {bind[0]} port {bind[1]}: {error.strerror}{taken}") from error
        self._socket, self._bound = made, bind[0]
        self._receive = receive
        loop.add_reader(made, self._readable)

    @property
    def port(self) -> int:
        """The UDP port bound."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    def hosts(self) -> list[Host]:
        """Give the address bound, or those of this machine's interfaces."""
        host, port = self._bound, self.port
        return interface_addresses(port, with_v6=":" in host) if is_wildcard(host) else [(host, port)]

    def send(self, data: bytes, address: Address) -> None:
        """Send one datagram, or lose it."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(data, address)
        except OSError:
            self.unsent += 1

    def _readable(self) -> None:
        batch: list[tuple[bytes, Address]] = []
        assert self._socket is not None
        take = self._socket.recvfrom
        for _ in range(DRAINED_MAX):
            try:
                batch.append(take(_DATAGRAM_BYTES_MAX))
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An ICMP error of an earlier datagram, told here by some systems: that peer's timeouts tell the rest.
                continue
        if batch:
            self._receive(batch)

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def resolve(self, host: Host) -> Address:
        """Give the socket address of a host; Unavailable when it has none that this socket reaches."""
        flags = socket.AI_V4MAPPED | socket.AI_ALL if self.family == socket.AF_INET6 else 0
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                *host, family=self.family, type=socket.SOCK_DGRAM, flags=flags
            )
        except OSError as error:
            raise Unavailable(f"no address for {host[0]}: {error.strerror}") from error
        except (ValueError, OverflowError) as error:
            # Names come from other nodes: a label too long for DNS is a UnicodeError, a zero byte a ValueError.
            raise Unavailable(f"{host[0][:64]!r} is no name of a host: {error}") from error
        if not found:
            raise Unavailable(f"no address for {host[0]}")
        return found[0][4]


def plain_host(address: Address) -> Host:
    """Give host and port of a socket address, an IPv4 address in its usual form."""
    return str(address[0]).removeprefix("::ffff:"), int(address[1])


def _set_options(made: socket.socket, family: int) -> bool:
    """Set a socket's options; gives whether the network keeps its datagrams whole."""
    made.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    if sys.platform != "linux":
        return False
    try:
        made.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DO)
    except OSError:
        return False
    return True
