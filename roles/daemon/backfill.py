"""What a take misses, asked of the camera's node, which keeps the last seconds of a source that others record.

Decides how often it is asked: at once, and again while it does not answer, as long as it may still have it. Invariant:
what is taken is whole groups from their first unit on, in order; with what is asked for again, whole groups again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from mesh.actors.system import ActorSystem
from mesh.ports import ByteStream, Flow, PortError, Unavailable
from proto.codec import Malformed
from proto.frames import FrameReader
from proto.ids import CameraId, NodeId
from proto.messages.cameras import Replay
from proto.messages.live import OBJECT_BYTES_MAX
from roles.media.units import AccessUnit, GroupInfo

ACTOR = "recordings"
AGAIN_S = (0.3, 1.0, 2.0, 4.0)
"""Pauses before it is asked again: it keeps some ten seconds."""
READ_WITHIN_S = 5.0
"""How long nothing may come of it."""
READ_BYTES = 256 * 1024
GROUP = b"G"

Place = tuple[int, int]
"""Epoch and group of a source."""
EVERYTHING: Place = (0, 0)
"""As the end of what is asked for: all there is."""

Taker = Callable[[GroupInfo | AccessUnit], Awaitable[None]]
Refill = Callable[[Place, Place, Taker], Awaitable[bool]]
"""Have what lies from a group to before another given to a taker; tells whether anybody answered."""

_log = structlog.get_logger("daemon.backfill")


def refill_of(system: ActorSystem, home: NodeId, camera: CameraId) -> Refill:
    """Give what fills a camera's holes from its node."""

    async def refill(start: Place, until: Place, take: Taker) -> bool:
        for pause_s in (0.0, *AGAIN_S):
            await asyncio.sleep(pause_s)
            try:
                given, first = await _ask(system, home, Replay(camera, *start, *until), take)
            except (PortError, TimeoutError, Malformed) as error:
                _log.info("what is missing was not given", camera=camera, home=home[:8], error=str(error))
                continue
            missed = first is None or first > start
            level = _log.warning if missed else _log.info
            level("a hole was filled", camera=camera, start=start, until=until, first=first, units=given)
            return True
        return False

    return refill


async def _ask(system: ActorSystem, home: NodeId, message: Replay, take: Taker) -> tuple[int, Place | None]:
    """Give how many units came, and the first group they were of."""
    stream: ByteStream | None = None
    units, first = 0, None
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            stream = await system.stream(home, ACTOR, message, Flow.RECORD)
        reader = FrameReader(OBJECT_BYTES_MAX + 1)
        while True:
            async with asyncio.timeout(READ_WITHIN_S):
                data = await stream.read(READ_BYTES)
            if not data:
                break
            for frame in reader.feed(data):
                if frame[:1] == GROUP:
                    info = GroupInfo.unpack(frame[1:])
                    first = first or (info.epoch, info.group)
                    await take(info)
                else:
                    units += 1
                    await take(AccessUnit.unpack(frame[1:]))
        if reader.buffered_bytes:
            raise Unavailable("what was given again was cut short")
        return units, first
    finally:
        if stream is not None:
            with contextlib.suppress(PortError):
                stream.reset()
