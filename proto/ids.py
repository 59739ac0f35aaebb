"""Distinct types for what is named on the wire, and how each is made from bytes.

A node id is the lower-case base32 text of the 32 raw bytes of the node's Ed25519 public key: 52 characters, so that
it fits a DNS label. A chunk id is the 32 bytes of its blake3 hash. Other ids are 26 characters of base32 over 128
bits that the Entropy port gave.
"""

from __future__ import annotations

import base64
import re
from typing import NewType

NodeId = NewType("NodeId", str)
MeshId = NewType("MeshId", str)
ChunkId = NewType("ChunkId", bytes)
AssetId = NewType("AssetId", str)
CameraId = NewType("CameraId", str)
JobId = NewType("JobId", str)
ModelId = NewType("ModelId", str)
PartitionId = NewType("PartitionId", int)
ShardId = NewType("ShardId", int)

PARTITIONS = 1024
"""Partitions of the ring. A key's partition never changes; only its owners do."""

MESH_PARTITION = PartitionId(PARTITIONS)
"""The partition of mesh tables, which are whole on every node."""

_NODE_ID = re.compile(r"[a-z2-7]{52}\Z")
_SHORT_ID = re.compile(r"[a-z2-7]{26}\Z")


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def node_id_of(public_key_raw: bytes) -> NodeId:
    """Give the node id of a raw 32-byte Ed25519 public key."""
    if len(public_key_raw) != 32:
        raise ValueError("a node key is 32 bytes")
    return NodeId(_base32(public_key_raw))


def public_key_of(node_id: str) -> bytes:
    """Give the raw 32-byte public key that a node id states; ValueError when it is no node id."""
    if not _NODE_ID.match(node_id):
        raise ValueError("not a node id: 52 characters of a-z and 2-7")
    return base64.b32decode(node_id.upper() + "====")


def is_node_id(text: str) -> bool:
    """Tell whether text has the form of a node id."""
    return _NODE_ID.match(text) is not None


def short_id(raw: bytes) -> str:
    """Give the 26-character id of 16 random bytes."""
    if len(raw) != 16:
        raise ValueError("an id is made of 16 bytes")
    return _base32(raw)


def is_short_id(text: str) -> bool:
    """Tell whether text has the form of an asset, camera or job id."""
    return _SHORT_ID.match(text) is not None
