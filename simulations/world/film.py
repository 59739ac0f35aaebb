"""A scripted source in the place of a camera's worker process: real units in virtual time, and a record of all of them.

It speaks the worker's frames (roles/proxy/adapters/wire.py): H.264 video of 25 pictures a second with a key frame every
two seconds, and AAC. What the units hold is derived from their names, so that a checker can make any of them again.

Invariant: a unit enters the record when it leaves the source, whatever becomes of it afterwards.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from blake3 import blake3

from roles.media.units import AccessUnit, GroupInfo, MediaKind, TrackInfo
from roles.proxy.adapters.wire import GROUP, STATUS, UNIT, Config, Status
from simulations.world.clock import FakeClock
from simulations.world.workers import ScriptPipe

RATE = 25
GOP = 50
VIDEO_CLOCK = 90_000
SOUND_RATE = 16_000
SOUND_SAMPLES = 1024
OPENING_S = 0.3
STATUS_EVERY = RATE
VIDEO = TrackInfo(
    1,
    MediaKind.VIDEO,
    "h264",
    bytes.fromhex("0142c00dffe100156742c00dda0507e840000003004000000c83c50aa801000468ce0fc8"),
    (1, VIDEO_CLOCK),
    width=320,
    height=240,
    frame_rate=float(RATE),
)
SOUND = TrackInfo(2, MediaKind.AUDIO, "aac", bytes.fromhex("1408"), (1, SOUND_RATE), sample_rate=SOUND_RATE, channels=1)


@dataclass(frozen=True, slots=True)
class Shot:
    """One unit as it left the source. ``at_s`` is true virtual time; ``dts`` counts its track's clock."""

    epoch: int
    group: int
    index: int
    track: int
    dts: int
    size: int
    at_s: float

    @property
    def key(self) -> bool:
        """Whether a group begins with it."""
        return self.index == 0


@dataclass
class Film:
    """Everything one source gave, over all its openings."""

    name: str
    shots: list[Shot]

    def content(self, shot: Shot) -> bytes:
        """Make a unit's bytes again."""
        seed = blake3(f"{self.name}/{shot.epoch}/{shot.group}/{shot.index}".encode())
        if shot.track == SOUND.number:
            return seed.digest(length=shot.size)
        kind = b"\x65" if shot.key else b"\x41"
        return (shot.size - 4).to_bytes(4, "big") + kind + seed.digest(length=shot.size - 5)


class Films:
    """The films of a world, by the name in their source's URL (``rtsp://films/NAME``)."""

    def __init__(self) -> None:
        self.films: dict[str, Film] = {}

    def film(self, name: str) -> Film:
        """Give a film, empty at first."""
        return self.films.setdefault(name, Film(name, []))


def url_of(name: str) -> str:
    """Give the URL of a scripted source."""
    return f"rtsp://films/{name}"


async def shoot(films: Films, clock: FakeClock, pipe: ScriptPipe) -> None:
    """Be the worker of one source until the node closes it."""
    config = Config.unpack(pipe.config)
    film = films.film(config.url.rpartition("/")[2])
    await asyncio.sleep(OPENING_S)
    epoch = max(int(clock.wall() * 1000), config.epoch_after + 1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    group, index, heard = -1, 0, 0
    picture = 0
    while not pipe.closed:
        await asyncio.sleep(max(0.0, began + picture / RATE - loop.time()))
        if picture % GOP == 0:
            group, index = group + 1, 0
            await pipe.send(GROUP + GroupInfo(epoch, group, (VIDEO, SOUND)).pack())
        size = 9_000 if index == 0 else 700 + picture * 37 % 900
        dts = picture * VIDEO_CLOCK // RATE
        duration = VIDEO_CLOCK // RATE
        await _give(film, clock, pipe, Shot(epoch, group, index, VIDEO.number, dts, size, loop.time()), duration)
        index += 1
        while heard * SOUND_SAMPLES / SOUND_RATE < (picture + 1) / RATE:
            sound = Shot(epoch, group, index, SOUND.number, heard * SOUND_SAMPLES, 180, loop.time())
            await _give(film, clock, pipe, sound, SOUND_SAMPLES)
            index += 1
            heard += 1
        if picture % STATUS_EVERY == 0:
            told = Status("online", "", "h264", 320, 240, float(RATE), 400_000 if picture else 0, picture)
            await pipe.send(STATUS + told.pack())
        picture += 1


async def _give(film: Film, clock: FakeClock, pipe: ScriptPipe, shot: Shot, duration: int) -> None:
    film.shots.append(shot)
    unit = AccessUnit(
        shot.track,
        shot.group,
        shot.index,
        shot.dts,
        shot.dts,
        duration,
        shot.key,
        int(clock.wall() * 1_000_000),
        film.content(shot),
    )
    await pipe.send(UNIT + unit.pack())
