"""What media workers and models are in the simulator: scripts that see words where the film or file has them.

A picture is a few bytes that name a word; a word's vector follows from the word, so that a picture of it is as near as
can be and any other word is far. Pictures have no tags: what finds them is their vector alone.

Invariant: the media scripts read the content they were given, so that bytes out of reach are noticed.
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import AsyncIterator, Sequence

from blake3 import blake3

from mesh.ports import Refused, Seen
from proto import codec
from proto.ids import ModelId
from roles.encoder.adapters.wire import (
    DONE,
    FAILED,
    FRAMES,
    LOOKS,
    MODEL,
    PICTURE,
    PROBED,
    READ_BYTES_MAX,
    SCENE,
    TEXT,
    VECTOR,
    Frames,
    Look,
    Looks,
    MediaConfig,
    Model,
    Picture,
    Probed,
    Scene,
    pack,
    pack_read,
    unpack,
)
from simulations.world.workers import ScriptPipe

LOOKS_LIKE = b"\xff\xd8a picture of "
END = b"\n"
DIMENSION = 16
FLOOR = 0.9
LOAD_S, LOOK_S = 2.0, 0.05
TAKE_LOOKED_AT_BYTES = 1 << 20
"""How much of a long content a script reads."""


class Eyes:
    """A ``ports.Embedder`` that knows every word."""

    model = ModelId("eyes@1")
    dimension = DIMENSION
    floor = FLOOR

    async def embed_text(self, text: str) -> bytes:
        """Give the vector of a word."""
        return vector_of(text)

    async def embed_frames(self, jpegs: Sequence[bytes]) -> list[Seen]:
        """Give the vectors of the words that pictures are of; Refused when one is none."""
        words = [word_in(jpeg) for jpeg in jpegs]
        if any(word is None for word in words):
            raise Refused("not a picture")
        return [Seen(vector_of(word or ""), ()) for word in words]


def vector_of(word: str) -> bytes:
    """Give the unit vector of a word."""
    seed = blake3(word.strip().lower().encode()).digest(length=DIMENSION * 2)
    row = [number / 65535 - 0.5 for number in struct.unpack(f"<{DIMENSION}H", seed)]
    length = math.sqrt(sum(number * number for number in row))
    return struct.pack(f"<{DIMENSION}f", *(number / length for number in row))


def picture_of(word: str, size: int = 0) -> bytes:
    """Give a picture of a word, with so many bytes after it."""
    return LOOKS_LIKE + word.encode() + END + blake3(word.encode()).digest(length=size)


def word_in(data: bytes) -> str | None:
    """Give the word a picture is of, or None when it is no picture."""
    if not data.startswith(LOOKS_LIKE) or END not in data:
        return None
    return data[len(LOOKS_LIKE) :].partition(END)[0].decode(errors="replace")


def word_of_film(name: str) -> str:
    """Give the word that a take's pictures show: it follows from the take's name, and is in no name."""
    return f"film {blake3(name.encode()).hexdigest()[:8]}"


async def embed(pipe: ScriptPipe) -> None:
    """Be the embedding worker."""
    eyes = Eyes()
    await asyncio.sleep(LOAD_S)
    await pipe.send(pack(MODEL, Model(eyes.model, eyes.dimension, eyes.floor)))
    while (frame := await pipe.receive()) is not None:
        if frame[:1] == TEXT:
            await pipe.send(VECTOR + await eyes.embed_text(frame[1:].decode()))
        elif frame[:1] == FRAMES:
            jpegs = unpack(Frames, frame).jpegs
            await asyncio.sleep(LOOK_S * len(jpegs))
            try:
                looks = tuple(Look(seen.vector, ()) for seen in await eyes.embed_frames(jpegs))
            except Refused as error:
                await pipe.send(FAILED + str(error).encode())
            else:
                await pipe.send(pack(LOOKS, Looks(looks)))


async def probe(pipe: ScriptPipe) -> None:
    """Be the worker that tells what a file is: a picture, or no media."""
    content = b"".join([block async for block in _content(pipe)])
    if word_in(content) is None:
        await pipe.send(FAILED + b"this is no media file")
        return
    poster = content[: content.index(END) + 1]
    await pipe.send(pack(PROBED, Probed("image", "image/jpeg", "mjpeg", width=64, height=64, poster=poster)))
    await pipe.send(DONE)


async def frames(pipe: ScriptPipe) -> None:
    """Be the worker that samples frames: of a picture itself, of a take three of its film."""
    content = b"".join([block async for block in _content(pipe)])
    word = word_in(content)
    if word is not None:
        await pipe.send(pack(PICTURE, Picture(0, picture_of(word))))
    else:
        for second in range(3):
            shown = picture_of(word_of_film(codec.decode(MediaConfig, pipe.config).name))
            await pipe.send(pack(PICTURE, Picture(second * 1000, shown)))
    await pipe.send(DONE)


async def scenes(pipe: ScriptPipe) -> None:
    """Be the worker that finds scenes: two."""
    async for _ in _content(pipe):
        pass
    hero = picture_of(word_of_film(codec.decode(MediaConfig, pipe.config).name))
    for start_ms in (0, 2000):
        await pipe.send(pack(SCENE, Scene(start_ms, start_ms + 2000, start_ms, hero)))
    await pipe.send(DONE)


async def _content(pipe: ScriptPipe) -> AsyncIterator[bytes]:
    config = codec.decode(MediaConfig, pipe.config)
    end = min(config.size, TAKE_LOOKED_AT_BYTES)
    at = 0
    while at < end:
        await pipe.send(pack_read(at, min(READ_BYTES_MAX, 1 << 18, end - at)))
        block = await pipe.receive()
        if not block:
            return
        yield block
        at += len(block)
