"""Ports to the world. Cores and actors see the world only as these; adapters and the simulator provide them.

Invariant: nothing here does anything. What a port promises is checked by the contract tests in ``tests/contracts``,
which run the same cases over the real adapter and the fake.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from proto.ids import ModelId, NodeId

T = TypeVar("T")

Host = tuple[str, int]
"""Where a node listens: host (address or name) and UDP port."""


class PortError(Exception):
    """The world did not do what was asked."""


class Unavailable(PortError):
    """Not now: unreachable, closed, timed out. Trying again may help."""


class StreamLost(Unavailable):
    """The connection under a stream is gone. The link may stand: another stream may do."""


class Refused(PortError):
    """The other side said no; trying again does not help."""


class RefusedHere(Refused):
    """It was this side that said no."""


class NotFound(PortError):
    """There is no such thing here."""


class DiskFull(PortError):
    """The disk has no room. What was written before is whole."""


class ReadOnly(DiskFull):
    """The disk takes no writes at all, or shall take none; as with a full one, another has to do."""


class Corrupt(PortError):
    """Bytes are not what they were. Repair from another copy."""


# ---------------------------------------------------------------- time, chance, work


class Clock(Protocol):
    """Time. ``asyncio`` sleeping and timeouts run on the loop, which the simulator replaces."""

    def monotonic(self) -> float:
        """Give seconds that never go back."""

    def wall(self) -> float:
        """Give UTC seconds since 1970 as this machine believes them; may be wrong, may jump."""


class Entropy(Protocol):
    """Chance."""

    def token(self, size: int) -> bytes:
        """Give ``size`` bytes nobody can guess."""

    def uniform(self, low: float, high: float) -> float:
        """Give a number between low and high, for jitter."""


class Executor(Protocol):
    """Work that would block the event loop."""

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(*args)`` off the loop and give its result; exceptions come through.

        Others go on meanwhile, as far as there is more than one thread; work whose asker has gone may still run.
        """


# ---------------------------------------------------------------- disk and tables


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Bytes of the disk that holds the data folder."""

    total_bytes: int
    free_bytes: int


class Disk(Protocol):
    """The node's data folder. Paths are relative, with forward slashes, and never leave it (ValueError).

    A folder is there from the first file in it, and stays; as a file there is no such thing: NotFound to read, size and
    delete it, Unavailable to write it, or to write below a file.
    """

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Read bytes; NotFound when there is no such file, Corrupt when the disk cannot read it."""

    async def write(self, path: str, data: bytes) -> None:
        """Write a whole file so that after return it survives a power cut, and before it is never seen half.

        tmp, fsync, rename, fsync of the folder. DiskFull, ReadOnly and Unavailable leave what was there before.
        """

    async def delete(self, path: str) -> None:
        """Remove a file, durably; NotFound when there is none."""

    async def size(self, path: str) -> int:
        """Give a file's size in bytes; NotFound when there is none."""

    async def list(self, folder: str) -> list[str]:
        """Give the names directly in a folder (``""``: the root), sorted; empty when there is no such folder.

        The root may hold names that are the disk's own.
        """

    async def usage(self) -> DiskUsage:
        """Give the room on the disk."""


class SqlCursor(Protocol):
    """What an SQL statement gave."""

    @property
    def rowcount(self) -> int:
        """Rows changed."""

    def fetchone(self) -> Any:
        """Give the next row or None."""

    def fetchall(self) -> list[Any]:
        """Give all rows."""


class Sql(Protocol):
    """An open SQLite transaction."""

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ..., /) -> SqlCursor:
        """Run one statement."""

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]], /) -> SqlCursor:
        """Run one statement for each parameter row."""


class Tables(Protocol):
    """The node's SQLite database (WAL, FTS5, ``synchronous=FULL``)."""

    async def write(self, work: Callable[[Sql], T]) -> T:
        """Run ``work`` in one transaction, in the order asked; on return it is durable. An exception rolls back.

        DiskFull, ReadOnly, Corrupt and Unavailable for what the disk does; our own mistakes come as SQLite has them.
        """

    async def read(self, work: Callable[[Sql], T]) -> T:
        """Run ``work`` over a consistent snapshot of what was written; to write in it is Unavailable."""


# ---------------------------------------------------------------- network


class Flow(enum.IntEnum):
    """Classes of traffic, the most urgent first; a lower one never starves a higher one."""

    CONTROL = 0
    LIVE = 1
    RECORD = 2
    BULK = 3


class Channel(enum.IntEnum):
    """Long-lived framed streams of a link. Order holds within one."""

    CONTROL = 0
    REQUEST = 1
    EVENTS = 2


class ByteStream(Protocol):
    """One bidirectional stream of bytes with back-pressure. Reset or a lost link raises Unavailable."""

    async def read(self, size_max: int = 65536) -> bytes:
        """Give 1 to ``size_max`` bytes, or ``b""`` once the peer has finished."""

    async def read_exactly(self, size: int) -> bytes:
        """Give exactly ``size`` bytes; Unavailable when the peer finishes before."""

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while more than the stream's window is unsent."""

    async def finish(self) -> None:
        """Say that no more bytes follow; the other direction stays open."""

    def reset(self) -> None:
        """Drop both directions at once. Safe to call more than once, also after the end."""


class Link(Protocol):
    """A proven connection to one peer. It may be several connections underneath, some of them lost before it is."""

    @property
    def peer(self) -> NodeId:
        """Who is at the other end, as proven."""

    @property
    def address(self) -> Host:
        """Where the peer was reached."""

    @property
    def relay(self) -> NodeId | None:
        """The node that carries this link, which sees ciphertext; None: the two reach each other by themselves."""

    @property
    def rtt_s(self) -> float:
        """Smoothed round trip in seconds; 0.0 before it is known."""

    async def send(self, channel: Channel, frame: bytes) -> None:
        """Send one frame, at most FRAME_BYTES_MAX; waits for the peer's credit; Unavailable when the link is gone."""

    def send_datagram(self, data: bytes) -> None:
        """Send at most DATAGRAM_BYTES_MAX bytes, unreliably; the oldest waiting one is dropped when too many wait."""

    async def open_stream(self, flow: Flow, header: bytes) -> ByteStream:
        """Open a stream in a class of traffic; ``header`` (at most 64 KiB) reaches the peer's handler with it.

        Refused: a live stream over a link that another node carries; live goes from node to node. StreamLost from it
        later: try once more, as long as the link stands.
        """


DATAGRAM_BYTES_MAX = 1100
"""Bytes of a datagram: what a path of MTU 1280 carries."""


TUNNEL_DATAGRAM_BYTES_MAX = 8192
"""Bytes of a datagram of a tunnel."""


class Tunnel(Protocol):
    """Datagrams to a node and back by way of another one, each whole or lost, in order."""

    @property
    def relay(self) -> NodeId:
        """The node in between."""

    @property
    def peer(self) -> NodeId:
        """The node at the other end, as the one in between says."""

    def listen(self, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        """Begin: ``heard`` takes what comes; ``ended`` is called once, when the way is broken or closed."""

    def send(self, data: bytes) -> None:
        """Send at most TUNNEL_DATAGRAM_BYTES_MAX bytes, or lose them."""

    def close(self) -> None:
        """End the way."""


class LinkHandler(Protocol):
    """What the network tells. Calls come on the event loop and return at once."""

    def on_link_up(self, link: Link) -> None:
        """A peer has been proven. Frames may follow."""

    def on_link_down(self, link: Link, reason: str) -> None:
        """The link is gone; its streams have been reset."""

    async def on_frame(self, link: Link, channel: Channel, frame: bytes) -> None:
        """A frame came. The next frame of the channel waits until this returns: that is the back-pressure."""

    async def on_stream(self, link: Link, flow: Flow, header: bytes, stream: ByteStream) -> None:
        """The peer opened a stream. Runs as a task of its own; the stream is reset if this raises."""

    def on_datagram(self, link: Link, data: bytes) -> None:
        """A datagram came."""


class Network(Protocol):
    """Links between this node and its peers: at most one a peer, whoever dialled."""

    async def start(self, handler: LinkHandler) -> None:
        """Listen. Unavailable when the port is taken."""

    async def dial(self, host: Host, expect: NodeId | None = None, timeout_s: float = 5.0) -> Link:
        """Reach a node and prove both sides; gives the standing link when there is one already.

        Unavailable when nobody answers, Refused when the peer is not of this mesh, is revoked, is not ``expect``, is
        this node itself, or does not accept this node. Where only a link by way of another node stands, a better one
        takes its place.
        """

    async def dial_through(self, tunnel: Tunnel, timeout_s: float = 5.0) -> Link:
        """Reach the node a tunnel leads to, with errors as of ``dial``; gives the standing link if there is one.

        Both ends prove themselves to each other; of the node in between nothing is believed. The tunnel is the
        network's from here on: it closes it with the link.
        """

    def enter(self, tunnel: Tunnel) -> None:
        """Listen to a tunnel that another node has opened to this one: who dials through it proves itself as any."""

    def links(self) -> Mapping[NodeId, Link]:
        """Give the links that stand."""

    def drop(self, peer: NodeId, reason: str) -> None:
        """Close the link to a peer, if any."""

    @property
    def strangers_refused(self) -> int:
        """Connections and datagrams of who has not proven itself that were ignored, because they were too many or
        nothing that was waited for."""

    @property
    def misbehaved(self) -> int:
        """How often since the start a peer was dropped for what it sent; one that goes on so has to wait."""

    def listening(self) -> Sequence[Host]:
        """Give the addresses other nodes can try, best first."""

    async def close(self) -> None:
        """Close every link with a reason the peers see, then stop listening."""


class Discovery(Protocol):
    """Finds nodes of this mesh on the LAN."""

    async def start(self, found: Callable[[NodeId, Sequence[Host]], None]) -> None:
        """Advertise this node, and tell of the others of this mesh: those there are and those that come, each at least
        once, never of this node itself."""

    async def close(self) -> None:
        """Say goodbye and stop."""


# ---------------------------------------------------------------- worker processes


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A child process: ``python -m module`` that talks frames over its standard input and output."""

    module: str
    config: bytes
    memory_bytes_max: int = 1 << 30
    cpu_seconds_max: int | None = None
    nice: int = 0


class Worker(Protocol):
    """A running child process. Whatever it does, the node lives."""

    @property
    def pid(self) -> int:
        """Its process id."""

    async def send(self, frame: bytes) -> None:
        """Give it a frame; waits while it is behind; Unavailable when it is gone."""

    async def receive(self) -> bytes | None:
        """Take its next frame, or None when it has ended; one over WORKER_FRAME_BYTES_MAX is its end."""

    async def wait(self) -> int:
        """Wait for its end; gives the exit status, negative for a signal."""

    async def stop(self, grace_s: float = 2.0) -> None:
        """Close its input, wait ``grace_s``, then kill it and its children."""


WORKER_FRAME_BYTES_MAX = 64 << 20
"""Bytes of one frame between a node and its worker: an access unit of 8K intra video fits."""


class Workers(Protocol):
    """Makes worker processes."""

    async def spawn(self, spec: WorkerSpec) -> Worker:
        """Start a worker; its first input frame is ``spec.config``. Standard error goes to the log, by line.

        A module that cannot run is a worker that ends at once, with a status that is not 0.
        """


# ---------------------------------------------------------------- vectors and models


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One hit of a vector index: the row's key and its cosine similarity, -1.0 to 1.0."""

    key: int
    similarity: float


class VectorIndex(Protocol):
    """Vectors of one model on this node; a cache that rows can rebuild. Adds and queries take turns."""

    @property
    def dimension(self) -> int:
        """Length of every vector."""

    def __len__(self) -> int:
        """Count the vectors held."""

    def add(self, keys: Sequence[int], vectors: bytes) -> None:
        """Add or replace vectors: ``len(keys) * dimension`` little-endian float32."""

    def remove(self, keys: Sequence[int]) -> None:
        """Forget vectors; unknown keys are ignored."""

    def search(self, query: bytes, k: int, allowed: Callable[[int], bool] | Set[int] | None = None) -> list[Neighbour]:
        """Give up to ``k`` nearest of those ``allowed`` (a set is fastest), the nearest first."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A word for what is in a picture, with the model's confidence, 0.0 to 1.0."""

    word: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What an embedder made of one picture: a unit vector (little-endian float32) and words, surest first."""

    vector: bytes
    tags: tuple[Tag, ...]


class Embedder(Protocol):
    """A model that puts words and pictures into one space."""

    @property
    def model(self) -> ModelId:
        """Model id with its version; vectors of different ids are never compared."""

    @property
    def dimension(self) -> int:
        """Length of its vectors."""

    @property
    def floor(self) -> float:
        """Similarity of words and picture under which they have nothing to do with each other."""

    async def embed_text(self, text: str) -> bytes:
        """Give the unit vector of a text, ``dimension`` little-endian float32."""

    async def embed_frames(self, jpegs: Sequence[bytes]) -> list[Seen]:
        """Give what is seen in each JPEG picture, in order."""


Task = Callable[[], Awaitable[None]]
"""What a supervisor runs and runs again."""
