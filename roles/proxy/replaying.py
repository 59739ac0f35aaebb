"""What the cameras of this node gave lately, kept for the one that has to go on where another recorder was lost.

Kept only while another node records a camera: this node's own recorder is lost together with the source. Invariant: at
most ``seconds_max`` and ``bytes_max`` a camera (``roles.media.replay``); giving it again holds up nobody, the source
least of all.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from mesh.actors.live import Ended, Gap, GroupStart, LiveHub, Object
from mesh.actors.supervisor import Supervisor
from mesh.ports import ByteStream, Clock
from proto.codec import Malformed
from proto.ids import CameraId
from proto.messages.cameras import Replay
from roles.media.replay import ReplayBuffer
from roles.proxy.adapters.wire import GROUP, UNIT

WAIT_UNTIL_S = 2.0
"""How long the group before which a replay is to end is waited for."""
POLL_S = 0.1

_log = structlog.get_logger("proxy.replay")


class Replaying:
    """The replay buffers of one node's cameras."""

    def __init__(self, live: LiveHub, supervisor: Supervisor, clock: Clock, seconds_max: float, bytes_max: int) -> None:
        self._live = live
        self._supervisor = supervisor
        self._clock = clock
        self._seconds_max = seconds_max
        self._bytes_max = bytes_max
        self._buffers: dict[CameraId, ReplayBuffer] = {}
        self._came: dict[CameraId, asyncio.Event] = {}

    def size_bytes(self) -> int:
        """Give what all buffers hold."""
        return sum(buffer.size_bytes for buffer in self._buffers.values())

    def cameras(self) -> list[CameraId]:
        """Give the cameras of which something is kept."""
        return list(self._buffers)

    def keep(self, camera: CameraId) -> None:
        """Keep what a camera gives from now on, from its current group's start. Safe to call again."""
        if camera in self._buffers or self._seconds_max <= 0:
            return
        buffer = self._buffers[camera] = ReplayBuffer(self._seconds_max, self._bytes_max)
        came = self._came[camera] = asyncio.Event()
        self._supervisor.run(f"replay/{camera}", lambda: self._fill(camera, buffer, came))

    async def drop(self, camera: CameraId) -> None:
        """Keep nothing of a camera any more."""
        if self._buffers.pop(camera, None) is not None:
            self._came.pop(camera).set()
            await self._supervisor.stop(f"replay/{camera}")

    async def _fill(self, camera: CameraId, buffer: ReplayBuffer, came: asyncio.Event) -> None:
        track = f"{camera}/main"
        while True:
            async with self._live.subscribe(track, lossless=True) as subscription:
                async for item in subscription:
                    now = self._clock.monotonic()
                    match item:
                        case GroupStart():
                            buffer.begin(item.header, now)
                        case Object():
                            buffer.unit(item.data, now)
                            came.set()
                        case Gap():
                            buffer.cut()
                        case Ended():
                            pass  # its last group stays as whole as it came
            await asyncio.sleep(POLL_S)

    async def give(self, message: Replay, stream: ByteStream) -> None:
        """Give what was asked for, as far as it is there, in frames of the worker's form; ends the stream."""
        camera = CameraId(message.camera)
        buffer = self._buffers.get(camera)
        until = (message.until_epoch, message.until_group)
        try:
            if buffer is not None:
                if any(until):
                    await self._reached(buffer, self._came[camera], until)
                # Taken as it stands: what goes on meanwhile is not wanted.
                for kept in buffer.since((message.epoch, message.group), until if any(until) else None):
                    await _write(stream, GROUP + kept.header)
                    for unit in list(kept.units):
                        await _write(stream, UNIT + unit)
            await stream.finish()
        except Malformed as error:
            _log.warning("what was kept of a camera cannot be given", camera=message.camera, error=str(error))
            stream.reset()

    async def _reached(self, buffer: ReplayBuffer, came: asyncio.Event, until: tuple[int, int]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_UNTIL_S):
                while not buffer.reaches(until):
                    came.clear()
                    await came.wait()


async def _write(stream: ByteStream, frame: bytes) -> None:
    await stream.write(len(frame).to_bytes(4, "big") + frame)
