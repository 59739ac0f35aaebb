"""The envelope around every message between actors of two nodes."""

from __future__ import annotations

import dataclasses
import enum
from typing import Annotated

from proto import codec
from proto.codec import Max

PROTOCOL_VERSION = 1
PROTOCOL_VERSION_MIN = 1


class Kind(enum.IntEnum):
    """What an envelope is."""

    TELL = 0
    ASK = 1
    ANSWER = 2
    FAILURE = 3
    EVENT = 4
    STREAM = 5


class Failure(enum.IntEnum):
    """Why an ask was not answered."""

    NO_ACTOR = 1
    OVERLOADED = 2
    UNAVAILABLE = 3
    REFUSED = 4
    MALFORMED = 5
    BUG = 6
    NOT_FOUND = 7
    CORRUPT = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Envelope:
    """One message on its way.

    ``seq`` pairs an answer with its ask on one link; ``deadline_ms`` is time left, not a time of day; ``body`` is a
    tagged message, empty for a failure, whose reason is in ``failure`` and ``detail``.
    """

    kind: Kind
    seq: int
    actor: Annotated[str, Max(64)]
    body: bytes
    correlation_id: Annotated[str, Max(64)] = ""
    deadline_ms: Annotated[int, Max(3_600_000)] = 0
    idempotency_key: Annotated[str, Max(64)] = ""
    failure: Failure | None = None
    detail: Annotated[str, Max(1024)] = ""
    topic: Annotated[str, Max(128)] = ""

    def pack(self) -> bytes:
        """Give the envelope as CBOR."""
        return codec.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> Envelope:
        """Read an envelope; Malformed when it is none."""
        return codec.decode(cls, data)
