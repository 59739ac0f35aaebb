"""Who records a camera: the lease that the camera's own node gives, renews, and passes on when its holder falls silent.

Decides, for every camera of this node that is recorded, which node holds the lease, under which epoch (a counter and
the holder), and to whom it is offered next. The camera's node is the one place where this can be decided without a
vote: whoever cannot hear it has no picture of the camera either, so a partition leaves one side with something to
record. A holder renews every RENEW_EVERY_S and says from which group on what it has may be on its own disk alone; one
that is silent for LEASE_S loses the lease to the next in the order, which goes on from that group (Gray and Cheriton,
"Leases", 1989, with fencing epochs).

| state | what happened | next | what is done |
|---|---|---|---|
| none | somebody asks for a take | held | answered HELD, persisted |
| held | the holder asks | held | answered HELD |
| held | another asks under a lower epoch | held | answered SUPERSEDED |
| held | another asks under a higher epoch | held by it | answered HELD, persisted: this node had forgotten |
| held | another take is asked for | held | answered OTHER, with the take there is |
| held | silence for LEASE_S, or the holder left or died | seeking | offered to the next |
| seeking | the holder of before asks | held | answered HELD; an offer that is under way still counts |
| seeking | the one it is offered to accepts | held by it | persisted, told |
| seeking | it declines, or says nothing | seeking | offered to the next; after the last, again in AGAIN_S |
| any | the take ended | none | whoever asks for it hears OVER |

Invariant: an epoch never goes down, and no two nodes are answered HELD under one; a take that ended is held by nobody.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from proto.ids import AssetId, CameraId, NodeId
from proto.messages.cameras import Verdict

RENEW_EVERY_S = 0.5
LEASE_S = 2.5
OFFER_S = 1.0
"""How long a node may take to accept an offer."""
AGAIN_S = 1.0
RESTORED_S = 6.0
"""What a holder has to be heard from again after this node started: links must stand first."""
STALL_S = 0.5
"""A tick this late means that this node stood still: the silence of others meanwhile proves nothing."""
ENDED_MAX = 1024
"""Takes remembered as ended; the oldest is forgotten, and the rows still tell."""

UNWRITTEN_S = 1.0
"""How long a recorder tries to write before it asks that another go on."""
GIVE_UP_AGAIN_S = 10.0
"""How often it asks that, while nobody does."""
WRITES_AGAIN_S = 2.0
"""How long nothing may fail until a disk takes writes again: near its end it has room for small parts alone."""

Place = tuple[int, int]
"""Epoch and group of a source."""
NOWHERE: Place = (0, 0)


class State(enum.StrEnum):
    """How a lease stands."""

    HELD = "held"
    SEEKING = "seeking"


@dataclass(slots=True)
class Lease:
    """The lease of one camera's recording. ``place``: from there on what was recorded may be lost with the holder."""

    camera: CameraId
    take: AssetId
    holder: NodeId
    counter: int
    heard_s: float
    place: Place = NOWHERE
    state: State = State.HELD
    offered: NodeId | None = None
    offer_counter: int = 0
    offer_until_s: float = 0.0
    again_at_s: float = 0.0
    lost_s: float = 0.0
    """When the holder was heard from last before it lost the lease."""
    tried: list[NodeId] = field(default_factory=list)


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Restored:
    """A lease of before this node started, from what it wrote down or from the rows."""

    camera: CameraId
    take: AssetId
    holder: NodeId
    counter: int
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Asked:
    """A node asks for the lease of a take, or renews it. ``wanted``: the take that the camera's row names."""

    camera: CameraId
    node: NodeId
    take: AssetId
    counter: int
    place: Place
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A node took over what it was offered under this counter."""

    camera: CameraId
    counter: int


@dataclass(frozen=True, slots=True)
class Declined:
    """A node did not take what it was offered under this counter, or did not answer."""

    camera: CameraId
    counter: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A node is dead, has left, or gave back what it held: of this camera, or of all (None)."""

    node: NodeId
    camera: CameraId | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The take is over, for good."""

    camera: CameraId
    take: AssetId


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went on; see ``wake_at``."""


Event = Restored | Asked | Accepted | Declined | Lost | Ended | Tick

# ---------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say to the one that asked."""

    verdict: Verdict
    take: AssetId
    holder: NodeId
    counter: int
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Offer:
    """Ask a node to take over."""

    camera: CameraId
    take: AssetId
    node: NodeId
    counter: int
    place: Place


@dataclass(frozen=True, slots=True)
class Persist:
    """Write the leases down."""


@dataclass(frozen=True, slots=True)
class TookOver:
    """A node took over ``after_s`` after the one before it was heard from last."""

    camera: CameraId
    take: AssetId
    before: NodeId
    holder: NodeId
    after_s: float


@dataclass(frozen=True, slots=True)
class Unattended:
    """Nobody could be found to take over; it is tried again."""

    camera: CameraId
    take: AssetId
    before: NodeId


Effect = Answer | Offer | Persist | TookOver | Unattended


class RecordingBook:
    """The leases of one node's cameras."""

    def __init__(self) -> None:
        self._leases: dict[CameraId, Lease] = {}
        self._ended: dict[AssetId, None] = {}
        self._now = 0.0
        self._woken_for: float | None = None

    # ------------------------------------------------------------ what is known

    def leases(self) -> list[Lease]:
        """Give the leases, by camera."""
        return [self._leases[camera] for camera in sorted(self._leases)]

    def lease(self, camera: CameraId) -> Lease | None:
        """Give the lease of a camera, if it is recorded."""
        return self._leases.get(camera)

    def ended(self, take: AssetId) -> bool:
        """Tell whether a take is known to be over."""
        return take in self._ended

    def wake_at(self) -> float | None:
        """Give when the next Tick is due."""
        self._woken_for = min((_due(lease) for lease in self._leases.values()), default=None)
        return self._woken_for

    # ------------------------------------------------------------ what happens

    def handle(self, event: Event, now: float, able: Sequence[NodeId] = ()) -> list[Effect]:
        """Take an event at ``now`` (seconds that never go back); ``able``: who could record, best first."""
        self._now = now = max(self._now, now)
        match event:
            case Restored():
                return self._restored(event)
            case Asked():
                return self._asked(event)
            case Accepted(camera, counter):
                return self._accepted(camera, counter)
            case Declined(camera, counter):
                lease = self._leases.get(camera)
                if lease is None or lease.offered is None or lease.offer_counter != counter:
                    return []
                lease.offered = None
                return self._offer(lease, able) if lease.state is State.SEEKING else []
            case Lost(node, camera):
                effects: list[Effect] = []
                for lease in self.leases():
                    if lease.holder == node and camera in (None, lease.camera) and lease.state is State.HELD:
                        effects += self._seek(lease, able)
                return effects
            case Ended(camera, take):
                return self._end(camera, take)
            case Tick():
                return self._tick(able)
            case _:
                assert_never(event)

    def _restored(self, event: Restored) -> list[Effect]:
        if event.take in self._ended or event.camera in self._leases:
            return []
        heard_s = self._now + RESTORED_S - LEASE_S
        self._leases[event.camera] = Lease(event.camera, event.take, event.holder, event.counter, heard_s, event.place)
        return [Persist()]

    def _asked(self, event: Asked) -> list[Effect]:
        if event.take in self._ended:
            return [Answer(Verdict.OVER, event.take, NodeId(""), 0)]
        lease = self._leases.get(event.camera)
        if lease is not None and lease.take != event.take:
            if event.wanted != event.take:
                return [_answer(Verdict.OTHER, lease)]
            # The row names the newer take: it was begun while this node could not be asked.
            self._remember(lease.take)
            lease = None
        if lease is None:
            counter = max(1, event.counter)
            lease = Lease(event.camera, event.take, event.node, counter, self._now, event.place)
            self._leases[event.camera] = lease
            return [_answer(Verdict.HELD, lease), Persist()]
        mine = event.node == lease.holder
        offered = event.node == lease.offered and event.counter == lease.offer_counter
        if offered:
            return [*self._accepted(event.camera, event.counter), _answer(Verdict.HELD, lease)]
        if not mine and event.counter <= lease.counter:
            return [_answer(Verdict.SUPERSEDED, lease)]
        changed = event.counter > lease.counter
        if changed:
            lease.holder, lease.counter = event.node, event.counter
            lease.offered = None  # what was offered is under a lower epoch
        place = lease.place
        if event.place > lease.place:
            lease.place = event.place
        lease.heard_s = self._now
        lease.state = State.HELD
        told = Answer(Verdict.HELD, lease.take, lease.holder, lease.counter, place)
        return [told, Persist()] if changed else [told]

    def _accepted(self, camera: CameraId, counter: int) -> list[Effect]:
        lease = self._leases.get(camera)
        if lease is None or lease.offered is None or lease.offer_counter != counter:
            return []
        before, lease.holder = lease.holder, lease.offered
        lease.counter, lease.offered = counter, None
        lease.state, lease.heard_s, lease.tried = State.HELD, self._now, []
        if before == lease.holder:
            return [Persist()]  # nobody else could
        return [Persist(), TookOver(camera, lease.take, before, lease.holder, self._now - lease.lost_s)]

    def _end(self, camera: CameraId, take: AssetId) -> list[Effect]:
        self._remember(take)
        lease = self._leases.get(camera)
        if lease is None or lease.take != take:
            return []
        del self._leases[camera]
        return [Persist()]

    def _remember(self, take: AssetId) -> None:
        self._ended[take] = None
        while len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    def _tick(self, able: Sequence[NodeId]) -> list[Effect]:
        late_s = self._now - self._woken_for if self._woken_for is not None else 0.0
        self._woken_for = None
        if late_s > STALL_S:
            for lease in self._leases.values():
                lease.heard_s = max(lease.heard_s, self._now)
                lease.offer_until_s += late_s
        effects: list[Effect] = []
        for lease in self.leases():
            if _due(lease) > self._now:
                continue
            if lease.state is State.HELD:
                effects += self._seek(lease, able)
            else:
                lease.offered = None
                effects += self._offer(lease, able)
        return effects

    def _seek(self, lease: Lease, able: Sequence[NodeId]) -> list[Effect]:
        lease.state = State.SEEKING
        lease.lost_s = min(self._now, lease.heard_s)
        lease.offered = None
        lease.tried = [lease.holder]
        return self._offer(lease, able)

    def _offer(self, lease: Lease, able: Sequence[NodeId]) -> list[Effect]:
        found = next((node for node in able if node not in lease.tried), None)
        if found is None:
            # All were asked: whoever is there by then is asked again, the holder of before among them.
            lease.tried = []
            lease.again_at_s = self._now + AGAIN_S
            return [Unattended(lease.camera, lease.take, lease.holder)]
        lease.tried.append(found)
        lease.offered = found
        lease.offer_counter = max(lease.counter, lease.offer_counter) + 1
        lease.offer_until_s = self._now + OFFER_S
        return [Offer(lease.camera, lease.take, found, lease.offer_counter, lease.place)]


def _due(lease: Lease) -> float:
    if lease.state is State.HELD:
        return lease.heard_s + LEASE_S
    return lease.offer_until_s if lease.offered is not None else lease.again_at_s


def _answer(verdict: Verdict, lease: Lease) -> Answer:
    return Answer(verdict, lease.take, lease.holder, lease.counter, lease.place)


class Unwritten:
    """What a recorder's disk does not take: from where on, and when another is to be asked to go on.

    Invariant: while writes fail, what is told as being on this disk alone does not go past the first that failed, so
    that whoever goes on has it given again.
    """

    def __init__(self) -> None:
        self._since_s = 0.0
        self._failed_s = 0.0
        self._place: Place | None = None
        self._asked_s: float | None = None

    def failed(self, place: Place, now: float) -> None:
        """Take note that something of a group could not be written."""
        if self._place is None:
            self._place, self._since_s = place, now
        self._failed_s = now

    def written(self, now: float) -> None:
        """Take note that something was written."""
        if self._place is not None and now - self._failed_s >= WRITES_AGAIN_S:
            self._place = None

    def before(self, place: Place) -> Place:
        """Give a place, or the first of what could not be written where that lies before it."""
        return place if self._place is None else min(place, self._place)

    def gives_up(self, now: float, *, refuses: bool = False) -> bool:
        """Tell whether another is to be asked now. ``refuses``: this node takes nothing at all."""
        fails = self._place is not None and now - self._failed_s < WRITES_AGAIN_S
        if not refuses and not (fails and now - self._since_s >= UNWRITTEN_S):
            return False
        if self._asked_s is not None and now - self._asked_s < GIVE_UP_AGAIN_S:
            return False
        self._asked_s = now
        return True


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that records: ``stores`` when it also keeps copies, on a disk of ``capacity_bytes``."""

    node: NodeId
    stores: bool
    capacity_bytes: int
    suspected: bool = False


def in_order(home: NodeId, candidates: Sequence[Candidate]) -> list[NodeId]:
    """Give who should record a camera of ``home``, best first: the node itself, then those that have the most room."""
    ordered = sorted(
        candidates,
        key=lambda one: (one.node != home, one.suspected, not one.stores, -one.capacity_bytes, one.node),
    )
    return [one.node for one in ordered]
