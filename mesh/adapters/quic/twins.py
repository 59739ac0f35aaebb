"""Two processes with one key, because a data folder was copied: which of them is the node.

A process makes a token at its start and says it with its age as it proves itself. Of two that both answer, the one that
has run longer is the node, whoever is asked, so that the first goes on and nobody's link goes to and fro; of two that
started within ``NEAR_S`` of each other, as from two images of one disk, the one with the smaller token. Who comes while
the other one does not answer any more is the same node after a restart.

Invariant: for two lives with tokens of their own, every node that hears of both names the same one.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto.messages.identity import AGE_MS_MAX

NEAR_S = 5.0
"""Ages are told over a network: closer than this they say nothing."""
ANSWER_S = 1.5
"""How long the one that stands has to show that it lives."""


@dataclass(frozen=True, slots=True)
class Life:
    """One run of a node's process: its token (empty: of a release that says none), its start by this node's clock."""

    token: bytes
    since_s: float

    def age_ms(self, now_s: float) -> int:
        """Give for how long it has run."""
        return max(0, min(AGE_MS_MAX, int((now_s - self.since_s) * 1000)))


def rivals(one: Life, other: Life) -> bool:
    """Tell whether these are two runs, as far as both say."""
    return bool(one.token) and bool(other.token) and one.token != other.token


def is_elder(one: Life, other: Life) -> bool:
    """Tell whether, of two runs that both go on, ``one`` is the node."""
    if abs(one.since_s - other.since_s) >= NEAR_S:
        return one.since_s < other.since_s
    return one.token < other.token


def sentence(said: str) -> str:
    """Give what a person is told where the copy runs; ``said``: where the other one is."""
    return (
        f"{said or 'another node runs with the key of this one'}: the data folder of one was copied to the other. This "
        "one is left out of the mesh meanwhile. Stop one of the two, and start it with an empty folder (--data), so "
        "that it becomes a node of its own"
    )


def where(host: str, port: int, age_ms: int) -> str:
    """Say, for the one that is refused, where the other one is and for how long."""
    seconds = age_ms // 1000
    ran = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
    return f"another node with this key runs at {host}:{port}, for {ran} already"
