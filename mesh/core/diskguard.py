"""Whether a disk takes writes: judged by the writes themselves, so that one that fails is no verdict yet.

A disk is *read-only* when the system says so of it in as many words (a file system mounted read-only), or when
FAILURES_MAX writes in a row failed, at least APART_S apart; the first that fails casts doubt, and from then on the disk
is tried every DOUBT_S until a write succeeds, or they are as many. A full disk is another matter: it answers. Once
read-only, it is tried every AGAIN_S, and is so no longer when such a trial succeeds.

Invariant: between a write that succeeded and the verdict there are FAILURES_MAX failures, or the system's word.
"""

from __future__ import annotations

from dataclasses import dataclass

FAILURES_MAX = 3
APART_S = 0.5
"""How far apart failures have to be to count by themselves: all that was under way at one moment fails with it."""
DOUBT_S = 1.0
AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Written:
    """A write succeeded. ``trial``: it was made to try the disk."""

    trial: bool = False


@dataclass(frozen=True, slots=True)
class NotWritten:
    """A write failed, and not for want of room. ``outright``: the system says that this disk takes none."""

    why: str
    outright: bool = False


class DiskGuard:
    """The verdict over one disk. ``why`` is empty while it takes writes; ``since_s`` is when that changed last."""

    def __init__(self) -> None:
        self.why = ""
        self.since_s = 0.0
        self._failures = 0
        self._counted_s = 0.0

    @property
    def read_only(self) -> bool:
        """Whether the disk takes no writes."""
        return bool(self.why)

    def handle(self, event: Written | NotWritten, now_s: float) -> bool:
        """Take note of how a write ended; tells whether the verdict is another now."""
        match event:
            case Written(trial):
                if self.why and not trial:
                    return False  # it began before, or the disk takes some and not others: the next trial tells
                self._failures = 0
                return self._judge("", now_s)
            case NotWritten(why, outright):
                if self.why:
                    return False
                if self._failures and now_s - self._counted_s < APART_S and not outright:
                    return False
                self._failures += 1
                self._counted_s = now_s
                return self._judge(why if outright or self._failures >= FAILURES_MAX else "", now_s)

    def _judge(self, why: str, now_s: float) -> bool:
        if bool(why) == bool(self.why):
            return False
        self.why, self.since_s = why, now_s
        return True

    def trial_after_s(self) -> float | None:
        """Give how many seconds after the last one the disk is to be tried; None: there is no need."""
        if self.why:
            return AGAIN_S
        return DOUBT_S if self._failures else None
