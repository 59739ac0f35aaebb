"""The last seconds of a source, kept to be given again: whole groups, bounded in time and in bytes.

Decides what is let go: the oldest groups, once the newest unit is ``seconds_max`` past their end or all of them are
more than ``bytes_max``; the group that comes now stays as long as it fits alone. Invariant: what is kept is whole
groups in the order they came, but for the last, which may still grow; of a group that was cut, nothing is kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from roles.media.units import AccessUnit, GroupInfo

Place = tuple[int, int]
"""Epoch and group of a source."""


@dataclass(slots=True)
class Kept:
    """One group: its header and its units as they came, and when the last of them did (seconds)."""

    place: Place
    header: bytes
    units: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    at_s: float = 0.0


class ReplayBuffer:
    """What one source gave lately."""

    def __init__(self, seconds_max: float, bytes_max: int) -> None:
        self.seconds_max = seconds_max
        self.bytes_max = bytes_max
        self.size_bytes = 0
        self._groups: deque[Kept] = deque()
        self._growing = False

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def begin(self, header: bytes, now_s: float) -> None:
        """A group begins."""
        info = GroupInfo.unpack(header)
        self._groups.append(Kept((info.epoch, info.group), header, [], len(header), now_s))
        self.size_bytes += len(header)
        self._growing = True
        self._trim(now_s)

    def unit(self, data: bytes, now_s: float) -> None:
        """The next unit of the group."""
        if not self._growing:
            return
        last = self._groups[-1]
        if AccessUnit.index_of(data) != len(last.units):
            self.cut()
            return
        last.units.append(data)
        last.size_bytes += len(data)
        last.at_s = now_s
        self.size_bytes += len(data)
        self._trim(now_s)

    def cut(self) -> None:
        """Something of the group was lost: it is of no use."""
        if self._growing:
            self.size_bytes -= self._groups.pop().size_bytes
            self._growing = False

    def reaches(self, place: Place) -> bool:
        """Tell whether the first unit of a group, or of a later one, has come."""
        return any(kept.place >= place and kept.units for kept in self._groups)

    def since(self, place: Place, until: Place | None) -> list[Kept]:
        """Give the groups from ``place`` to before ``until``, and of that one its first unit."""
        found: list[Kept] = []
        for kept in self._groups:
            if kept.place < place:
                continue
            if until is not None and kept.place >= until:
                found.append(Kept(kept.place, kept.header, kept.units[:1]))
                break
            found.append(kept)
        return found

    def _trim(self, now_s: float) -> None:
        while len(self._groups) > 1 and (
            self.size_bytes > self.bytes_max or now_s - self._groups[0].at_s > self.seconds_max
        ):
            self.size_bytes -= self._groups.popleft().size_bytes
        if self.size_bytes > self.bytes_max:
            self.cut()
