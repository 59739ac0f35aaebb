"""What a peer that sends what it must not has to wait for: counted, slowed, forgiven.

The first time it is only dropped, for a fault may be ours and pass. Whoever goes on is not linked again for a time that
doubles; one that behaves for ``FORGIVEN_S`` begins anew.

Invariant: no wait is longer than ``WAIT_MAX_S``, so that a mesh whose releases do not understand each other heals soon
after they do; at most ``PEERS_MAX`` are remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from proto.ids import NodeId

WAIT_FIRST_S, WAIT_MAX_S = 5.0, 60.0
FORGIVEN_S = 600.0
PEERS_MAX = 1024


@dataclass(slots=True)
class _Record:
    lately: int = 0
    last_s: float = 0.0
    until_s: float = 0.0


class Penalties:
    """The peers that one node dropped for what they sent. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._records: OrderedDict[NodeId, _Record] = OrderedDict()
        self.total = 0
        """How often a peer was dropped since the start."""

    def drop(self, peer: NodeId, now_s: float) -> float:
        """Count that a peer was dropped; gives for how many seconds it is not linked again."""
        self.total += 1
        record = self._records.pop(peer, None) or _Record()
        if now_s - record.last_s > FORGIVEN_S:
            record.lately = 0
        record.lately += 1
        wait_s = 0.0 if record.lately == 1 else min(WAIT_MAX_S, WAIT_FIRST_S * 2 ** min(record.lately - 2, 10))
        record.last_s, record.until_s = now_s, now_s + wait_s
        self._records[peer] = record
        while len(self._records) > PEERS_MAX:
            self._records.popitem(last=False)
        return wait_s

    def refused(self, peer: NodeId, now_s: float) -> str | None:
        """Say why a peer is not linked now; None: it may be."""
        record = self._records.get(peer)
        if record is None or now_s >= record.until_s:
            return None
        left_s = record.until_s - now_s
        return f"it was dropped {record.lately} times lately for what it sent; in {left_s:.0f} s it may try again"
