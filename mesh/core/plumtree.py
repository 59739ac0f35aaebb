"""How news travels in a large mesh: Plumtree (Leitão, Pereira and Rodrigues, SRDS 2007) over a node's neighbours.

Decides to whom a piece of news is sent whole (*eager*: the branches of a tree that the news itself draws), to whom only
its name (*lazy*), and whom to ask for what was named and did not come. A branch over which news comes that had come by
another one before becomes lazy; one that brings a name earlier than the tree brings the news becomes eager.

Invariant: each piece is passed on at most once by each node; what is kept and what waits is bounded. What is lost all
the same, membership's comparing of everything finds.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView
from dataclasses import dataclass, field

from blake3 import blake3

from mesh.core.agenda import Agenda
from mesh.core.member import Effect, Tell
from proto.ids import NodeId
from proto.messages.membership import SPREAD_NAMES_MAX, SPREAD_RUMOURS_MAX, Graft, Prune, Rumour, Spread, State

NAME_BYTES = 8
KEPT_MAX = 8192
"""Pieces of news kept for who asks for them; the oldest go."""
MISSING_MAX = 4096
"""Names waited for; further ones are not."""
NAMERS_MAX = 4
FLUSH_S = 0.06
"""News gathers for so long before it is sent."""
LAZY_S = 0.3
GRAFT_S = 0.6
"""So long after its name news may come by itself; then it is asked for, of one that named it after the other."""


@dataclass(slots=True)
class _Kept:
    rumour: Rumour
    source: NodeId | None
    """Who sent it first; None: it was found out here, or heard of in another way."""


@dataclass(slots=True)
class _Branch:
    lazy: bool = False
    news: dict[bytes, Rumour] = field(default_factory=dict)
    names: dict[bytes, None] = field(default_factory=dict)


def name_of(rumour: Rumour) -> bytes:
    """Name a piece of news: the belief, and of a suspicion also who suspects."""
    by = rumour.by if rumour.state is State.SUSPECT else ""
    return blake3(f"{rumour.node},{rumour.state},{rumour.incarnation},{by}".encode()).digest(NAME_BYTES)


class Plumtree:
    """The branches of one node. ``effects`` is where messages go."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self._branches: dict[NodeId, _Branch] = {}
        self._kept: dict[bytes, _Kept] = {}
        self._missing: dict[bytes, list[NodeId]] = {}
        self._agenda: Agenda[tuple[str, bytes]] = Agenda()

    # ------------------------------------------------------------ branches

    @property
    def peers(self) -> KeysView[NodeId]:
        """Give to whom there are branches."""
        return self._branches.keys()

    @property
    def eager(self) -> list[NodeId]:
        """Give to whom news goes whole."""
        return [peer for peer, branch in self._branches.items() if not branch.lazy]

    @property
    def lazy(self) -> list[NodeId]:
        """Give to whom only names go."""
        return [peer for peer, branch in self._branches.items() if branch.lazy]

    def join(self, peer: NodeId) -> None:
        """Have a branch to a new neighbour."""
        self._branches.setdefault(peer, _Branch())

    def part(self, peer: NodeId) -> None:
        """Have none any more."""
        self._branches.pop(peer, None)

    # ------------------------------------------------------------ news

    def push(self, rumour: Rumour, now: float, source: NodeId | None = None) -> None:
        """Send news on, but not to whom it came from."""
        name = name_of(rumour)
        self._keep(name, rumour, source)
        for peer, branch in self._branches.items():
            if peer == source:
                continue
            if branch.lazy:
                branch.names[name] = None
                self._soon("lazy", now + LAZY_S)
            else:
                branch.news[name] = rumour
                self._soon("eager", now + FLUSH_S)

    def take(self, peer: NodeId, rumours: Iterable[Rumour], now: float) -> list[Rumour]:
        """Take what a peer sent whole; gives what had not come yet. A branch that brings more old than new is lazy."""
        news: list[Rumour] = []
        old = 0
        for rumour in rumours:
            name = name_of(rumour)
            known = self._kept.get(name)
            branch = self._branches.get(peer)
            if branch is not None:
                branch.news.pop(name, None)
                branch.names.pop(name, None)
            if known is None:
                self._keep(name, rumour, peer)
                news.append(rumour)
            elif known.source is not None and known.source != peer:
                old += 1
        branch = self._branches.get(peer)
        if old > len(news) and branch is not None and not branch.lazy:
            branch.lazy = True
            branch.names.update(dict.fromkeys(branch.news))
            branch.news.clear()
            self._soon("lazy", now + LAZY_S)
            self.effects.append(Tell(peer, Prune()))
        return news

    def forget(self, rumour: Rumour) -> None:
        """Have what bears this name count as new when it comes again."""
        self._kept.pop(name_of(rumour), None)

    def named(self, peer: NodeId, names: Iterable[bytes], now: float) -> None:
        """Take names of what a peer has: what does not come by itself is asked for."""
        for name in names:
            if name in self._kept:
                continue
            namers = self._missing.get(name)
            if namers is None:
                if len(self._missing) >= MISSING_MAX:
                    return
                self._missing[name] = [peer]
                self._agenda.set(("graft", name), now + GRAFT_S)
            elif len(namers) < NAMERS_MAX and peer not in namers:
                namers.append(peer)

    def grafted(self, peer: NodeId, names: Iterable[bytes], now: float) -> None:
        """Send a peer what it asks for, and what comes from now on, whole."""
        branch = self._branches.get(peer)
        if branch is None:
            return
        branch.lazy = False
        for name in names:
            if name in self._kept:
                branch.news[name] = self._kept[name].rumour
        self._soon("eager", now)

    def pruned(self, peer: NodeId) -> None:
        """Send a peer names alone: it has news from elsewhere before."""
        branch = self._branches.get(peer)
        if branch is not None:
            branch.lazy = True

    def _keep(self, name: bytes, rumour: Rumour, source: NodeId | None) -> None:
        if self._missing.pop(name, None) is not None:
            self._agenda.cancel(("graft", name))
        if name not in self._kept:
            self._kept[name] = _Kept(rumour, source)
            if len(self._kept) > KEPT_MAX:
                del self._kept[next(iter(self._kept))]

    # ------------------------------------------------------------ time

    def next_at(self) -> float | None:
        """Give when something is due, or None."""
        return self._agenda.next_at()

    def shift(self, by_s: float) -> None:
        """Move what waits into the future: this node stood still."""
        self._agenda.shift(by_s)

    def tick(self, now: float) -> None:
        """Send what waits, ask for what did not come."""
        wanted: dict[NodeId, list[bytes]] = {}
        while (due := self._agenda.pop(now)) is not None:
            what, name = due
            if what == "graft":
                self._graft(name, now, wanted)
                continue
            for peer, branch in self._branches.items():
                if what == "eager" and branch.news:
                    news, branch.news = list(branch.news.values()), {}
                    self._send(peer, news, [])
                elif what == "lazy" and branch.names:
                    names, branch.names = list(branch.names), {}
                    self._send(peer, [], names)
        for peer, names in wanted.items():
            for at in range(0, len(names), SPREAD_NAMES_MAX):
                self.effects.append(Tell(peer, Graft(tuple(names[at : at + SPREAD_NAMES_MAX]))))

    def _graft(self, name: bytes, now: float, wanted: dict[NodeId, list[bytes]]) -> None:
        namers = self._missing[name]
        while namers:
            peer = namers.pop(0)
            branch = self._branches.get(peer)
            if branch is not None:
                branch.lazy = False
                wanted.setdefault(peer, []).append(name)
                self._agenda.set(("graft", name), now + GRAFT_S)
                return
        del self._missing[name]

    def _send(self, peer: NodeId, news: list[Rumour], names: list[bytes]) -> None:
        for at in range(0, len(news), SPREAD_RUMOURS_MAX):
            self.effects.append(Tell(peer, Spread(tuple(news[at : at + SPREAD_RUMOURS_MAX]), ())))
        for at in range(0, len(names), SPREAD_NAMES_MAX):
            self.effects.append(Tell(peer, Spread((), tuple(names[at : at + SPREAD_NAMES_MAX]))))

    def _soon(self, what: str, at: float) -> None:
        standing = self._agenda.at((what, b""))
        if standing is None or at < standing:
            self._agenda.set((what, b""), at)
