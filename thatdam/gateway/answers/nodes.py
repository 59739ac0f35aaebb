"""The nodes of the mesh, and how well what is kept is kept."""

from __future__ import annotations

from typing import Literal

from thatdam.gateway.answers import Answer, Moment


class ReadOnly(Answer):
    """How a node is read-only: it serves all it has and takes no new chunks, so others stand in for it."""

    by: Literal["setting", "disk"]
    """Its operator's word (storage.read_only), or its disk, which takes no writes."""
    why: str
    """Why, in words."""
    since: Moment | None
    """Since when."""
    rows: bool
    """Whether it takes catalogue rows; where its database cannot be written, its answers do not pass for whole."""


class Node(Answer):
    """A node of the mesh. What it tells of itself is null while it does not answer."""

    id: str
    """The node's id: its public key in base32."""
    name: str
    """What people call it."""
    state: Literal["alive", "suspect", "dead", "left", "revoked"]
    """What the asked node believes of it; revoked: an admin ended it for ever."""
    self: bool
    """Whether it is the node that was asked."""
    roles: list[str]
    """What it does: proxy, daemon, storage, encoder."""
    role_reasons: dict[str, str]
    """Why it has, or lacks, each role; empty while it does not answer."""
    addresses: list[str]
    """Where other nodes reach it, as host:port."""
    http_url: str | None
    """Where its viewer is, if browsers of other machines may come."""
    version: str
    """Its release."""
    zone: str
    """Where it stands: copies of one thing go to different zones first."""
    models: list[str]
    """The models that it has loaded for finding things."""
    cpu_percent: float | None
    """What it takes, in percent of one core, since it was last asked."""
    memory_bytes: int | None
    """Memory its process holds."""
    disk_total_bytes: int | None
    """Size of its data folder's disk."""
    disk_free_bytes: int | None
    """Room left on that disk."""
    chunks: int | None
    """Chunks it keeps."""
    chunk_bytes: int | None
    """Bytes of these chunks."""
    rows: int | None
    """Catalogue rows it keeps."""
    chunks_short: int | None
    """Chunks with fewer copies than wanted; each is told by one node."""
    chunks_damaged: int | None
    """Chunks whose bytes it found wrong and that are not mended yet."""
    partitions_behind: int | None
    """Partitions for which it is still catching up."""
    reclaimable_bytes: int | None
    """Bytes it keeps that nobody refers to any more."""
    reclaimed_bytes: int | None
    """Bytes it has collected since it was started."""
    scrub_began_at: Moment | None
    """When the scrub that runs, or ran last, began."""
    scrub_ended_at: Moment | None
    """When the last whole scrub ended."""
    scrub_found: int | None
    """Damaged chunks that scrubs found."""
    read_only: ReadOnly | None
    """How it is read-only; null: it is not, or does not answer."""
    lag_bytes: int | None
    """Bytes that it keeps and no other node has yet."""
    lag_s: float | None
    """Age of the oldest of these, in seconds."""
    rtt_ms: float | None
    """Round trip between it and the asked node, in milliseconds."""
    relay: str | None
    """The node that carries what these two say to each other, as they cannot reach each other; null: none has to."""
    started_at: Moment | None
    """When it was started."""
    loop_lag_ms: float | None
    """How late its event loop usually is, in milliseconds."""


class RevokedNode(Answer):
    """A node that an admin ended for ever."""

    id: str
    """Its id."""
    reason: str
    """Why, in words."""


class Refusal(Answer):
    """A node that does not take the asked one."""

    address: str
    """Where, as host:port."""
    reason: str
    """Why, in words."""


class NodeStanding(Answer):
    """Who can let nodes in, and who is out."""

    admitting: list[str]
    """The ids of the nodes that can let others in."""
    admits: bool
    """Whether the asked node can."""
    revoked: list[RevokedNode]
    """Nodes that were ended for ever."""
    refused: list[Refusal]
    """Nodes that refused the asked one lately, and why: it is out of the mesh, or they are of another."""
    certificate_expires_at: Moment | None
    """When the asked node's certificate ends; it is renewed at half its life."""
    warnings: list[str]
    """What is wrong with the asked node's place in the mesh, a sentence each."""


class Copies(Answer):
    """How well what is kept is kept, over the nodes that answer."""

    wanted: int
    """Copies of everything that there should be: as set, or as many as there are storage nodes."""
    at_risk: int
    """Chunks with fewer copies than wanted, or damaged."""
    repairing: int
    """Of these, those that are being copied or mended."""
    unfound: int
    """Of these, those that no node that can be reached has: they wait for the nodes that are gone."""
    waiting: int
    """Chunks that only one node has yet."""
    lag_bytes: int
    """Bytes of these."""
    lag_s: float
    """Age of the oldest of these, in seconds."""


class HoldsUp(Answer):
    """A node for whose word collection waits."""

    id: str
    """Its id."""
    name: str
    """What people call it; empty where that is not known."""


class Collection(Answer):
    """What nobody needs any more, over the nodes that answer."""

    reclaimable_bytes: int
    """Bytes that nobody refers to and that are still kept."""
    reclaimable_chunks: int
    """Chunks of these."""
    reclaimed_bytes: int
    """Bytes that were collected."""
    held_up_by: list[HoldsUp]
    """The nodes that have to be there before more can be collected."""


class Partitions(Answer):
    """How much of the mesh answered."""

    ok: int
    """Partitions that answered."""
    total: int
    """Partitions there are."""
    catching_up: bool
    """Whether what did not answer is only catching up: every node that stores is there, and it is whole in a moment."""


class Nodes(Answer):
    """The nodes of the mesh."""

    nodes: list[Node]
    """All that have not left, by id."""
    mesh: str
    """The id of the mesh."""
    standing: NodeStanding
    """Who may let nodes in, as far as the asked node has heard."""
    copies: Copies
    """How many copies there are of what is kept."""
    collection: Collection
    """What is kept and nobody needs."""
    assets: int
    """Assets of the whole mesh, trashed ones included."""
    partitions: Partitions
    """How much of the catalogue answered."""
