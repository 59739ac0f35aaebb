"""One TLS connection over TCP with its receive buffer; what it means is its session's business.

Decides socket options: no more than about ``KERNEL_BYTES`` in each direction wait in the kernel, so that bulk stands in
nobody's way for long; marked as lower effort (RFC 8622), and as bulk for this machine's own queues, so that whoever
looks at marks serves others first; a peer that acknowledges nothing for ``SILENT_S`` is gone.

Invariant: whatever a peer sends ends at most its own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, Protocol, cast

import structlog

UNPROVEN_BYTES = 8 << 10
"""Receive buffer of a connection whose dialler is not proven yet."""
BUFFER_BYTES = 64 << 10
KERNEL_BYTES = 512 << 10
SILENT_S = 20
_LOWER_EFFORT = 0x04
_BULK_PRIORITY = 2
"""Linux' own class of bulk (TC_PRIO_BULK): the last band of its usual queue."""
_PROBES = 3
_log = structlog.get_logger("bulk")


class Session(Protocol):
    """What hears a connection. It may be exchanged, as when a peer has been proven."""

    def heard(self, data: memoryview) -> None:
        """Take bytes; the memory is used again afterwards."""

    def writable(self) -> None:
        """There is room for more again."""

    def gone(self, reason: str) -> None:
        """The connection has ended."""


class Wire(asyncio.BufferedProtocol):
    """A connection; give it a session before anything can come."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = session
        self.full = False
        """More than the window waits to be sent."""
        self.over = ""
        """Why it has ended; empty while it has not."""
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(UNPROVEN_BYTES))

    @property
    def alpn(self) -> str:
        """The protocol agreed on in the handshake."""
        assert self._transport is not None
        made = self._transport.get_extra_info("ssl_object")
        return (made.selected_alpn_protocol() or "") if made is not None else ""

    def proven(self, window_bytes: int) -> None:
        """Give it the buffers of a proven connection."""
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=window_bytes)

    # ------------------------------------------------------------ out

    def write(self, *parts: bytes | memoryview) -> None:
        """Queue bytes; nothing once it has ended."""
        if self._transport is not None and not self.over:
            self._transport.writelines([part for part in parts if part])

    def pause(self) -> None:
        """Read no more."""
        if self._transport is not None and not self.over:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self.over:
            self._transport.resume_reading()

    def abort(self, reason: str) -> None:
        """End it at once; the session hears it now."""
        if not self.over:
            self._end(reason)
            if self._transport is not None:
                self._transport.abort()

    # ------------------------------------------------------------ from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport: TLS is through."""
        # uvloop's transports have the methods and not the base class.
        self._transport = cast("asyncio.Transport", transport)
        made = transport.get_extra_info("socket")
        if made is not None:
            set_options(made)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand the bytes on."""
        if self.over or self.session is None:
            return
        try:
            self.session.heard(self._buffer[:nbytes])
        except Exception as error:  # noqa: BLE001 - what one peer's bytes run into must not end the loop's callback
            _log.error("bulk connection dropped", error=repr(error), exc_info=error)
            self.abort("internal error")

    def eof_received(self) -> bool:
        """Have it closed: a direction is ended by a frame, never by this."""
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        """Take note of the end."""
        self._end(f"connection lost: {exc}" if exc else "the peer closed the connection")

    def pause_writing(self) -> None:
        """Too much waits."""
        self.full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self.full = False
        if self.session is not None:
            self.session.writable()

    def _end(self, reason: str) -> None:
        if self.over:
            return
        self.over = reason
        self.full = False
        session, self.session = self.session, None
        if session is not None:
            session.gone(reason)


def set_options(made: Any) -> None:
    """Set the options of a connection's socket, as far as the system has them."""
    wanted = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES),
        (socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *(
            (socket.IPPROTO_TCP, getattr(socket, name), value)
            for name, value in (
                ("TCP_KEEPIDLE", SILENT_S // 2),
                ("TCP_KEEPINTVL", SILENT_S // 2 // _PROBES),
                ("TCP_KEEPCNT", _PROBES),
                ("TCP_USER_TIMEOUT", SILENT_S * 1000),
            )
            if hasattr(socket, name)
        ),
    ]
    v6 = made.family == socket.AF_INET6
    mark = (socket.IPPROTO_IPV6, getattr(socket, "IPV6_TCLASS", 67)) if v6 else (socket.IPPROTO_IP, socket.IP_TOS)
    marks = [(*mark, _LOWER_EFFORT)]
    if hasattr(socket, "SO_PRIORITY"):
        marks.append((socket.SOL_SOCKET, socket.SO_PRIORITY, _BULK_PRIORITY))  # after the mark, which sets it too
    for level, option, value in (*wanted, *marks):
        with contextlib.suppress(OSError):
            made.setsockopt(level, option, value)
