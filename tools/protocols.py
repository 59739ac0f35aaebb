"""The protocols' state tables and diagrams for ARCHITECTURE.md, found by driving the protocols themselves.

Each table is made by putting the real core into a state, letting it hear one thing, and writing down the state it is in
then and what it had done. So it says what the code does; only the words for what is heard are written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mesh.core.dialling import Dialling
from mesh.core.jobs import ATTEMPTS_MAX, FRAMES, LEASE_MS, Job, LeaseBook, Work, new_job
from mesh.core.layouts import History, Order, Version, joined, ordered
from mesh.core.member import GossipCame, LinkUp, PushPullAnswered, Start, Tick
from mesh.core.membership import Membership
from mesh.core.recording import (
    AGAIN_S,
    LEASE_S,
    OFFER_S,
    Accepted,
    Answer,
    Asked,
    Declined,
    Effect,
    Ended,
    Event,
    Lost,
    RecordingBook,
)
from mesh.core.recording import Tick as RecordingTick
from mesh.core.vouching import statement
from mesh.ports import NotFound, Refused
from proto.ids import AssetId, CameraId, NodeId, node_id_of
from proto.messages.membership import Gossip, NodeInfo, PushPull, Rumour, State

PAGE = Path(__file__).parent.parent / "ARCHITECTURE.md"
BEGIN, END = "<!-- protocols: written by `make docs` -->", "<!-- protocols end -->"
ME, PEER, THIRD = (node_id_of(bytes([number]) * 32) for number in (1, 2, 3))
INFO = NodeInfo("peer")
AT = 3
"""The incarnation the tables begin with."""
MIDDLE = 0.5


@dataclass(frozen=True)
class Step:
    """In a state something is heard; then this is the state, and this was done."""

    state: str
    heard: str
    then: str
    done: str = ""


class _Fair:
    """An entropy whose every draw is the middle."""

    def token(self, size: int) -> bytes:
        """Give zeros."""
        return bytes(size)

    def uniform(self, low: float, high: float) -> float:
        """Give the middle."""
        return low + (high - low) * MIDDLE


class _Signed:
    """Signatures that say by whom and of what they are."""

    def sign(self, content: bytes) -> bytes:
        """Sign as anybody."""
        return _signature(content)

    def holds(self, node: NodeId, content: bytes, proof: bytes) -> bool:
        """Tell whether it was signed."""
        return proof == _signature(content)


def _signature(content: bytes) -> bytes:
    return b"signed" + content[-32:]


# ---------------------------------------------------------------- membership


def _rumour(state: State, incarnation: int, by: NodeId, *, signed: bool = True) -> Rumour:
    said = State.LEFT if state is State.LEFT else State.ALIVE
    proof = _signature(statement(PEER, said, incarnation, INFO)) if signed else b""
    return Rumour(PEER, state, incarnation, by, INFO, proof)


def _told(state: State, incarnation: int, *, signed: bool = True) -> Callable[[Membership], list[object]]:
    rumour = _rumour(state, incarnation, THIRD, signed=signed)
    return lambda core: list(core.handle(GossipCame(THIRD, (rumour,)), 10.0))


def _in_push_pull(core: Membership) -> list[object]:
    told = PushPull(bytes(16), (_rumour(State.DEAD, AT, THIRD),))
    return list(core.handle(PushPullAnswered(THIRD, told), 10.0))


def _time_is_up(core: Membership) -> list[object]:
    # In small steps: one late tick would mean that this node stood still.
    return [effect for second in range(10, 60) for effect in core.handle(Tick(), float(second))]


_HEARD_OF_A_NODE: dict[str, Callable[[Membership], list[object]]] = {
    "alive at a higher incarnation, signed by it": _told(State.ALIVE, AT + 1),
    "alive at a higher incarnation, not signed": _told(State.ALIVE, AT + 1, signed=False),
    "alive at the same incarnation": _told(State.ALIVE, AT),
    "suspected at the same incarnation": _told(State.SUSPECT, AT),
    "suspected at a lower incarnation": _told(State.SUSPECT, AT - 1),
    "dead at the same incarnation, by gossip": _told(State.DEAD, AT),
    "dead at the same incarnation, in a push/pull": _in_push_pull,
    "left at the same incarnation, signed by it": _told(State.LEFT, AT),
    "nothing that refutes it, for as long as a suspicion lasts": _time_is_up,
}


def membership() -> Iterable[Step]:
    """Give what one node believes of another, and how that changes."""
    for state in State:
        for heard, hear in _HEARD_OF_A_NODE.items():
            if hear is _time_is_up and state is not State.SUSPECT:
                continue
            core = Membership(ME, NodeInfo("me"), 0, _Fair(), _Signed())
            core.handle(Start(), 0.0)
            core.handle(LinkUp(THIRD, ("10.0.0.3", 1)), 0.0)
            core.handle(GossipCame(THIRD, (_rumour(State.ALIVE, AT, THIRD),)), 1.0)
            if state is not State.ALIVE:
                core.handle(GossipCame(THIRD, (_rumour(state, AT, THIRD),)), 1.0)
            effects = hear(core)
            member = core.members[PEER]
            done = []
            if member.incarnation != AT:
                done.append("under the new incarnation")
            if any(type(effect).__name__ == "AskPushPull" for effect in effects) and "not signed" in heard:
                done.append("who said so is asked for everything, proofs among it")
            if member.state is not state:
                done.append("told on")
            yield Step(state.value, heard, member.state.value, "; ".join(done))


def of_oneself() -> Iterable[Step]:
    """Give what a node does when it hears of itself."""
    for state in State:
        core = Membership(ME, NodeInfo("me"), AT - 1, _Fair(), _Signed())
        core.handle(Start(), 0.0)
        core.handle(LinkUp(THIRD, ("10.0.0.3", 1)), 0.0)
        before = core.members[ME].incarnation
        effects = core.handle(GossipCame(THIRD, (Rumour(ME, state, before, THIRD),)), 1.0)
        raised = core.members[ME].incarnation > before
        answered = any(isinstance(getattr(effect, "message", None), Gossip) for effect in effects)
        done = "persists a higher incarnation, then tells it" if raised else ""
        yield Step("alive", f"{state.value} at its own incarnation", core.members[ME].state.value, done)
        assert answered or not raised


# ---------------------------------------------------------------- the lease of a recording

CAMERA, TAKE, OTHER_TAKE = CameraId("c" * 26), AssetId("t" * 26), AssetId("u" * 26)
NOWHERE = (0, 0)
ABLE = (PEER, THIRD)


def _asks(node: NodeId, counter: int, take: AssetId = TAKE, wanted: str = "") -> Event:
    return Asked(CAMERA, node, take, counter, NOWHERE, wanted)


_HEARD_OF_A_RECORDING: dict[str, tuple[Event, float]] = {
    "a node asks for a take, under no epoch yet": (_asks(THIRD, 0), 1.0),
    "the holder (of before) asks": (_asks(ME, 5), 1.0),
    "another asks under a lower epoch": (_asks(THIRD, 4), 1.0),
    "another asks under a higher epoch": (_asks(THIRD, 9), 1.0),
    "another take is asked for": (_asks(THIRD, 0, OTHER_TAKE), 1.0),
    "another take is asked for, which the camera's row names": (_asks(THIRD, 0, OTHER_TAKE, OTHER_TAKE), 1.0),
    f"silence for {LEASE_S:g} s": (RecordingTick(), LEASE_S + 0.01),
    "the holder died, left, or gave it back": (Lost(ME), 1.0),
    "the one it is offered to accepts": (Accepted(CAMERA, 6), 1.0),
    "it declines": (Declined(CAMERA, 6), 1.0),
    f"it says nothing for {OFFER_S:g} s": (RecordingTick(), OFFER_S + 0.01),
    "the take ended": (Ended(CAMERA, TAKE), 1.0),
}
_NOT_IN = {
    "none": ("the holder", "under a", "silence", "the one", "it declines", "it says", "names"),
    "held": ("the one", "it declines", "it says", "under no"),
    "seeking": ("silence", "the holder died", "under no"),
}


def _lease(book: RecordingBook) -> str:
    lease = book.lease(CAMERA)
    return "none" if lease is None else lease.state.value


def recording() -> Iterable[Step]:
    """Give how the lease of a camera's recording goes."""
    for state, left_out in _NOT_IN.items():
        for heard, (event, after_s) in _HEARD_OF_A_RECORDING.items():
            if heard.startswith(left_out) or any(part in heard for part in left_out if not part[0].isupper()):
                continue
            book, now = RecordingBook(), 0.0
            if state != "none":
                book.handle(_asks(ME, 5), now, ABLE)
            if state == "seeking":
                book.handle(Lost(ME), now, ABLE)
            book.wake_at()
            effects = book.handle(event, now + after_s, ABLE)
            lease = book.lease(CAMERA)
            by = f", by {'the same' if lease.holder == ME else 'the other'}" if lease and state != "none" else ""
            then = _lease(book) + (by if _lease(book) == "held" else "")
            yield Step(state, heard, then, "; ".join(map(_words, effects)))


def _words(effect: Effect) -> str:
    if isinstance(effect, Answer):
        return f"answered {effect.verdict.name}"
    return {
        "Persist": "written down",
        "Offer": "offered to the next in order",
        "TookOver": "told",
        "Unattended": f"nobody is left: all again in {AGAIN_S:g} s",
    }[type(effect).__name__]


# ---------------------------------------------------------------- jobs

WORK = Work(FRAMES, "model")
ASSET = AssetId("a" * 26)


def _book(state: str, attempts: int = 1) -> tuple[LeaseBook, Job]:
    book = LeaseBook(ME)
    job = replace(new_job(ASSET, WORK, 0), attempts=attempts - 1)
    book.take(job)
    if state == "leased":
        job = book.ask(PEER, [WORK], 1, 1000)[0]
    return book, job


_HEARD_OF_A_JOB: dict[str, tuple[str, Callable[[LeaseBook, Job], Job]]] = {
    "a node that can do it asks for work": ("queued", lambda book, job: book.ask(PEER, [WORK], 1, 1000)[0]),
    "the holder renews": ("leased", lambda book, job: book.renew(job.job, job.epoch, PEER, 2000)),
    "another renews under this epoch": ("leased", lambda book, job: book.renew(job.job, job.epoch, THIRD, 2000)),
    "a lower epoch renews, or brings a result": ("leased", lambda book, job: book.renew(job.job, (0, ""), PEER, 2000)),
    "a higher epoch renews: another book granted it": (
        "leased",
        lambda book, job: book.renew(job.job, (job.epoch[0] + 1, THIRD), THIRD, 2000),
    ),
    "the holder has done it": ("leased", lambda book, job: book.finish(job.job, job.epoch, PEER, 2000)),
    "the holder failed at it": ("leased", lambda book, job: book.finish(job.job, job.epoch, PEER, 2000, "broken")),
    "the holder says that it cannot be done": (
        "leased",
        lambda book, job: book.finish(job.job, job.epoch, PEER, 2000, "no video", again=False),
    ),
    "the holder stops in good order and gives it back": (
        "leased",
        lambda book, job: book.give_back(job.job, job.epoch, PEER),
    ),
    f"silence for {LEASE_MS // 1000} s": ("leased", lambda book, job: book.expire(LEASE_MS + 2000)[0]),
}


def jobs() -> Iterable[Step]:
    """Give how a job goes, as the node that grants it sees it."""
    for heard, (state, hear) in _HEARD_OF_A_JOB.items():
        yield _job_step(heard, state, hear, 1)
    heard, (state, hear) = next(pair for pair in _HEARD_OF_A_JOB.items() if "failed" in pair[0])
    yield _job_step(f"{heard}, for the {ATTEMPTS_MAX}th time", state, hear, ATTEMPTS_MAX)


def _job_step(heard: str, state: str, hear: Callable[[LeaseBook, Job], Job], attempts: int) -> Step:
    book, job = _book(state, attempts)
    try:
        then = hear(book, job)
    except (Refused, NotFound) as error:
        return Step(state, heard, state, str(error).replace(job.job[:8], "..."))
    done = []
    if then.epoch != job.epoch:
        done.append("under a higher epoch")
    if then.until_ms > job.until_ms and then.holder == job.holder:
        done.append(f"for {LEASE_MS // 1000} s more")
    if then.after_ms > job.after_ms:
        done.append("after a back-off, elsewhere first")
    if then.attempts < job.attempts:
        done.append("counts as no attempt")
    return Step(state, heard, then.state, "; ".join(done))


# ---------------------------------------------------------------- layout versions


def _stands(history: History, version: Version) -> str:
    if version.id in history.pruned:
        return "pruned"
    if version.id in history.prunable():
        return "over everywhere"
    heads, bases = [one.id for one in history.heads], [one.id for one in history.bases]
    if version.id not in history.live:
        usable = version.id in heads or any(version.id in history.ancestors(head) for head in heads)
        return "over" if usable else "waiting"
    if version.id in heads and version.id in bases and len(bases) == 1:
        return "settled"
    return "moving" if version.id in heads else "base"


def layouts() -> Iterable[Step]:
    """Give how a version of the layout goes, as one node sees it."""
    terabyte = 10**12
    nodes = (ME, PEER)
    root = joined(None, ME, terabyte, "", (1 << 20, ME))
    start = joined(root, PEER, terabyte, "", (2 << 20, PEER))

    def next_of(base: Version, size: int) -> Version:
        return ordered(base, [Order(ME, capacity_bytes=size * terabyte)], (size << 40, ME), 2)

    one = next_of(start, 2)
    two, other = next_of(one, 3), next_of(start, 4)
    three = next_of(two, 5)
    before = {root.id: root, start.id: start}
    done = frozenset([start.id])

    def known(*versions: Version, settled: Sequence[Version] = (), told: Version | None = None) -> History:
        synced = {} if told is None else dict.fromkeys(nodes, told.id)
        names = {**before, **{version.id: version for version in versions}}
        return History(names, done | {version.id for version in settled}, synced)

    def step(heard: str, was: History, now: History, done: str = "") -> Step:
        return Step(_stands(was, one), heard, _stands(now, one), done)

    orphan = History({one.id: one})
    moving, settled = known(one), known(one, settled=[one], told=one)
    yield step("the version it came from comes", orphan, moving, "it is the present one: writes go to both owners")
    yield step("another head comes", moving, known(one, other), "both are merged into a third")
    yield step("every owner that is there has what the bases had", known(one, told=one), settled, "for good")
    yield step(
        "a version that came from it", settled, known(one, two, settled=[one]), "it answers until that is settled"
    )
    yield step("that one is settled", known(one, two, settled=[one]), known(one, two, settled=[one, two]))
    last = known(one, two, three, settled=[one, two, three])
    everywhere = known(one, two, three, settled=[one, two, three], told=three)
    yield step("every node not removed has told that it has a later one", last, everywhere)
    left = {name: version for name, version in everywhere.versions.items() if name != one.id}
    pruned = replace(everywhere, versions=left, pruned={one.id: one.parents})
    yield step("the first node of the layout looks", everywhere, pruned, "of it only what it came from is kept")


# ---------------------------------------------------------------- links


def links() -> Iterable[Step]:
    """Give how a node comes by a link with another."""
    host = (("10.0.0.2", 1),)

    def fresh(*, alive: bool, dialling: bool) -> Dialling:
        core = Dialling(ME, _Fair())
        core.want(PEER, host, 0.0, alive=alive)
        if dialling:
            core.due(1.0, (), lambda _: False)
        return core

    def waits(core: Dialling) -> str:
        at = core.next_at()
        return "" if at is None else f"in {at - 1.0:.2g} s on average" if at > 1.0 else ""

    for alive in (True, False):
        which = "a node that lives" if alive else "a node believed dead"
        core = fresh(alive=alive, dialling=False)
        began = core.due(1.0, (), lambda _: False)
        yield Step("waiting", f"the time for {which} has come", "dialling" if began else "waiting")
        for attempts in (1, 10):
            core = fresh(alive=alive, dialling=True)
            for _ in range(attempts - 1):
                core.ended(PEER, None, 1.0, refused=False)
                core.due(100.0, (), lambda _: False)
            core.ended(PEER, None, 1.0, refused=False)
            yield Step("dialling", f"{which} does not answer, {_times(attempts)}", "waiting", waits(core))
    core = fresh(alive=True, dialling=True)
    core.ended(PEER, None, 1.0, refused=True)
    yield Step("dialling", "it refuses this node", "waiting", waits(core))
    core = fresh(alive=True, dialling=True)
    core.forget(PEER)
    yield Step("dialling", "the link stands", "linked" if core.next_at() is None else "waiting", "dialled no more")
    core.want(PEER, host, 1.0, alive=True)
    yield Step("linked", "the link is lost", "waiting", waits(core))
    core = fresh(alive=True, dialling=True)
    core.ended(PEER, None, 1.0, refused=False)
    others = core.due(100.0, (), lambda _: False, lambda _: (THIRD,))[0].relays
    asked = "others are asked first to carry a connection to it" if others else "as before"
    yield Step("waiting", "the time for a node that lives and did not answer has come", "dialling", asked)
    core.relayed(PEER, host, 1.0)
    core.ended(PEER, PEER, 1.0, refused=False)
    yield Step("dialling", "another node carries a connection to it", "carried", f"dialled itself {waits(core)}")
    for attempts, more in ((1, 1), (10, 9)):
        for _ in range(more):
            core.due(1000.0, (PEER,), lambda _: False)
            core.ended(PEER, None, 1.0, refused=False)
        heard = f"it does not answer itself, {_times(attempts)}"
        yield Step("carried", heard, "carried", f"dialled itself {waits(core)}")
    core.want(PEER, host, 1.0, alive=True)
    lost = f"{waits(core)}; others are asked first to carry a connection to it"
    yield Step("carried", "the other node carries it no more", "waiting", lost)
    core = fresh(alive=True, dialling=True)
    core.relayed(PEER, host, 1.0)
    core.forget(PEER)
    yield Step("carried", "the link stands", "linked" if core.next_at() is None else "carried", "it is carried no more")
    core.forget(PEER)
    yield Step("waiting", "it left", "none" if core.next_at() is None else "waiting", "the only thing that ends it")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


# ---------------------------------------------------------------- the page


_TOLD: tuple[tuple[str, str, Callable[[], Iterable[Step]]], ...] = (
    ("What a node believes of another", "`mesh/core/membership.py`", membership),
    ("What a node does when it hears of itself", "`mesh/core/membership.py`", of_oneself),
    ("The lease of a camera's recording", "`mesh/core/recording.py`", recording),
    ("A job", "`mesh/core/jobs.py`", jobs),
    ("A version of the layout", "`mesh/core/layouts.py`", layouts),
    ("A link", "`mesh/core/dialling.py`", links),
)


def text() -> str:
    """Give the section."""
    parts = [
        "Found by driving the cores themselves (`tools/protocols.py`): each line is what the code did when it was put",
        "into the state and heard that. A test holds the page to it.",
    ]
    for title, where, steps in _TOLD:
        found = list(steps())
        parts += ["", f"### {title} ({where})", "", *_table(found)]
        if len({step.then for step in found}) > 1:
            parts += ["", *_diagram(found)]
    return "\n".join(parts)


def _table(steps: Sequence[Step]) -> list[str]:
    lines = ["| state | heard | then | what is done |", "|---|---|---|---|"]
    return lines + [f"| {step.state} | {step.heard} | {step.then} | {step.done} |" for step in steps]


def _diagram(steps: Sequence[Step]) -> list[str]:
    """Give the changes of state as a Mermaid diagram."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        then = step.then.partition(",")[0]
        if then != step.state:
            arrows.setdefault((step.state, then), []).append(step.heard)
    names = {name: f"s{number}" for number, name in enumerate(dict.fromkeys(name for pair in arrows for name in pair))}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{name}" as {short}' for name, short in names.items()]
    for (state, then), heard in arrows.items():
        lines.append(f"    {names[state]} --> {names[then]}: {'<br/>'.join(heard).replace(':', ',')}")
    return [*lines, "```"]


def page() -> str:
    """Give ARCHITECTURE.md with the section as the code makes it."""
    told = PAGE.read_text(encoding="utf-8")
    before, begin, rest = told.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the marks of the protocols")
    return f"{before}{BEGIN}\n{text()}\n{END}{after}"
