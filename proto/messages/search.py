"""Search messages: vectors against a node's shards, and words made into vectors by a node that has the model."""

from __future__ import annotations

from typing import Annotated

from proto.codec import Exactly, Max, message
from proto.messages.catalogue import Bases

Id = Annotated[str, Max(64)]
Text = Annotated[str, Max(512)]
Vector = Annotated[bytes, Max(64 * 1024)]


@message(800)
class SearchShard:
    """Give the ``k`` frames nearest to ``vector`` (little-endian float32). Times are UTC ms; empty or None: any."""

    model: Text
    vector: Vector
    k: Annotated[int, Max(1000)]
    partitions: Annotated[bytes, Exactly(128)]
    camera: Id = ""
    kind: Id = ""
    since_ms: int | None = None
    until_ms: int | None = None
    bases: Bases = ()


@message(801)
class ShardHit:
    """A frame at ``at_ms`` of an asset, the scene it lies in (end 0: none known), and what a list shows of it."""

    asset: Id
    at_ms: int
    similarity: float
    name: Text
    kind: Id
    camera: Id
    poster: Id
    scene_start_ms: int = 0
    scene_end_ms: int = 0
    hero: Id = ""
    tags: Annotated[tuple[Text, ...], Max(16)] = ()


@message(802)
class ShardHits:
    """The nearest first, and those of the partitions asked that cannot be answered for yet."""

    hits: Annotated[tuple[ShardHit, ...], Max(1000)]
    unready: Annotated[bytes, Exactly(128)]


@message(810)
class EmbedText:
    """Make a vector of these words."""

    model: Text
    text: Annotated[str, Max(1024)]


@message(811)
class Embedded:
    """Their vector, and the similarity under which a picture has nothing to do with them."""

    model: Text
    vector: Vector
    floor: float = -1.0


@message(820)
class AskWaiting:
    """How much of these partitions is not in the index of these models yet?"""

    partitions: Annotated[bytes, Exactly(128)]
    models: Annotated[tuple[Text, ...], Max(8)]


@message(821)
class Waiting:
    """Takes that still run, and assets that wait to be looked at."""

    recording: int
    waiting: int
