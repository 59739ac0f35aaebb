"""The embedding worker: holds a model, answers texts and pictures one after another. Run as a process, never imported.

Its first input frame is the EmbedConfig; it begins with the Model it loaded, or with a sentence that says what is
missing. The end of its input is its end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol

from mesh.ports import Seen
from proto.codec import Malformed
from roles.encoder.adapters.embedder_offline import LaterError, MissingError, OfflineEmbedder
from roles.encoder.adapters.embedder_st import SentenceTransformersEmbedder
from roles.encoder.adapters.pipe import read_frame, write_frame
from roles.encoder.adapters.wire import (
    FAILED,
    FRAMES,
    LATER,
    LOOKS,
    MODEL,
    TEXT,
    VECTOR,
    EmbedConfig,
    Frames,
    Look,
    Looks,
    Model,
    pack,
    unpack,
)


class _Embeds(Protocol):
    model: str
    dimension: int
    floor: float

    def embed_text(self, text: str) -> bytes: ...

    def embed_frames(self, jpegs: tuple[bytes, ...]) -> list[Seen]: ...


def load(config: EmbedConfig) -> _Embeds:
    """Give the embedder a task names; MissingError and LaterError say what it lacks."""
    if config.model:
        return SentenceTransformersEmbedder(config.model)
    return OfflineEmbedder(Path(config.cache) if config.cache else None)


def answer(embedder: _Embeds, frame: bytes) -> bytes:
    """Give the answer to one request."""
    try:
        match frame[:1]:
            case letter if letter == TEXT:
                return VECTOR + embedder.embed_text(frame[1:].decode(errors="replace"))
            case letter if letter == FRAMES:
                seen = embedder.embed_frames(unpack(Frames, frame).jpegs)
                looks = tuple(Look(one.vector, tuple((tag.word, tag.confidence) for tag in one.tags)) for one in seen)
                return pack(LOOKS, Looks(looks))
            case _:
                return FAILED + b"not a request"
    except (ValueError, Malformed, MissingError) as error:
        return FAILED + str(error)[:2000].encode()


def main() -> None:
    """Run the worker."""
    # The libraries write to standard output as they please; the pipe to the node is kept out of their reach.
    pipe = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(pipe, "w")
    first = read_frame()
    if first is None:
        return
    try:
        embedder = load(unpack(EmbedConfig, b" " + first))
    except MissingError as error:
        write_frame(FAILED + str(error)[:2000].encode())
        return
    except LaterError as error:
        write_frame(LATER + str(error)[:2000].encode())
        return
    write_frame(pack(MODEL, Model(embedder.model, embedder.dimension, embedder.floor)))
    while (frame := read_frame()) is not None:
        write_frame(answer(embedder, frame))


if __name__ == "__main__":
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    os._exit(0)
