"""What was answered to asks with an idempotency key, so that a repeated ask is done once and answered the same.

Decides how long an answer is remembered: ``kept_s`` seconds, and less when there are more than ``kept_max`` answers or
``bytes_max`` bytes of them; the oldest goes first. An ask that is still at work is never forgotten (the mailboxes bound
how many there are), one that failed is not remembered: it may be tried again.

Invariant: within the window, a key of a sender to an actor stands for one message; another under it is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from mesh.ports import PortError, Refused
from proto import codec
from proto.ids import NodeId

DEDUPE_KEPT_MAX = 1024
"""Answers remembered, over all actors of a node."""
DEDUPE_BYTES_MAX = 8 << 20
"""Bytes of these answers as they go on the wire: more than the largest message has."""
DEDUPE_KEPT_S = 300.0

Name = tuple[NodeId, str, str]
"""Sender, actor and key."""


@dataclass(slots=True)
class _Asked:
    message: bytes
    answer: asyncio.Future[Any]
    size: int = 0
    forgotten_at_s: float = 0.0


class DedupeWindow:
    """The asks with a key that are at work or were answered lately. Times are of one clock that never goes back."""

    def __init__(
        self,
        kept_max: int = DEDUPE_KEPT_MAX,
        bytes_max: int = DEDUPE_BYTES_MAX,
        kept_s: float = DEDUPE_KEPT_S,
    ) -> None:
        self._kept_max = kept_max
        self._bytes_max = bytes_max
        self._kept_s = kept_s
        self._at_work: dict[Name, _Asked] = {}
        self._answered: OrderedDict[Name, _Asked] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Give how many answers are remembered."""
        return len(self._answered)

    def find(self, name: Name, message: Any, now_s: float) -> asyncio.Future[Any] | None:
        """Give the answer, there already or to come, of the ask of this name; Refused when that was another message."""
        self._forget(now_s)
        asked = self._at_work.get(name) or self._answered.get(name)
        if asked is None:
            return None
        if asked.message != _mark(message):
            raise Refused(f"the idempotency key {name[2]!r} was used for another message to {name[1]}; take a new one")
        return asked.answer

    def begin(self, name: Name, message: Any) -> None:
        """Take note that an ask is at work."""
        self._at_work[name] = _Asked(_mark(message), asyncio.get_running_loop().create_future())

    def settle(self, name: Name, given: Any | None, now_s: float) -> None:
        """Remember an answer, and give it to those who asked again meanwhile."""
        asked = self._at_work.pop(name)
        asked.size = 0 if given is None else len(codec.encode_tagged(given))
        asked.forgotten_at_s = now_s + self._kept_s
        asked.answer.set_result(given)
        self._answered[name] = asked
        self.bytes += asked.size
        self._forget(now_s)

    def fail(self, name: Name, error: PortError) -> None:
        """Forget an ask that failed, and tell those who asked again meanwhile."""
        asked = self._at_work.pop(name)
        asked.answer.set_exception(error)
        asked.answer.exception()  # there may be nobody else to look at it

    def _forget(self, now_s: float) -> None:
        while self._answered:
            oldest = next(iter(self._answered.values()))
            full = len(self._answered) > self._kept_max or self.bytes > self._bytes_max
            if not full and oldest.forgotten_at_s > now_s:
                return
            self._answered.popitem(last=False)
            self.bytes -= oldest.size


def _mark(message: Any) -> bytes:
    return hashlib.blake2b(codec.encode_tagged(message), digest_size=16).digest()
