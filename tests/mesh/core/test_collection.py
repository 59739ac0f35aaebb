"""When bytes that nobody needs may go: never while a need is known, or may be known to somebody who is not there."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mesh.core.collection import Graces, Idle, agreed, hold_up, is_due, need_of, needless, settled_at
from mesh.core.rows import Change, apply, merge
from mesh.core.sharing import Share
from proto.ids import ChunkId, NodeId, PartitionId

GRACES = Graces(1000, 100)
CHUNK = ChunkId(b"c" * 32)
PACKED = ChunkId(b"p" * 32)
PART = PartitionId(7)
NODES = [NodeId(name) for name in "abcd"]
ASSETS = ["x" * 26, "y" * 26]


def change(kind, asset):
    key = CHUNK.hex(), asset
    match kind:
        case "refer":
            return [Change("references", *key, set={"size": 3})]
        case "drop":
            return [Change("references", *key, delete=True)]
        case "carry":
            return [Change("references", *key, set={"carried": PACKED}), Change("references", *key, delete=True)]


def written(history):
    """The entries after a history of (kind, asset), stamped one after another."""
    entries = {}
    for at, (kind, asset) in enumerate(history, 1):
        for number, one in enumerate(change(kind, asset)):
            entries[asset] = apply(entries.get(asset), one, ((at * 10 + number) << 16, "w"))
    return list(entries.values())


histories = st.lists(st.tuples(st.sampled_from(["refer", "drop", "carry"]), st.sampled_from(ASSETS)), max_size=8)


@given(histories)
def test_a_chunk_is_needed_while_one_assets_last_word_is_that_it_refers_to_it(history):
    last = {asset: kind for kind, asset in history}
    need = need_of(written(history))
    assert need.alive == ("refer" in last.values())
    assert bool(need.carried) == (bool(last) and set(last.values()) == {"carry"}) or (
        # Taken back twice: packing said where the bytes are, and nobody referred to them since.
        need.carried == (PACKED,) and all(_carried(history, asset) for asset in last)
    )


def _carried(history, asset):
    mine = [kind for kind, other in history if other == asset]
    since = mine[max((at for at, kind in enumerate(mine) if kind == "refer"), default=-1) + 1 :]
    return "carry" in since


@given(histories, histories)
def test_what_the_references_say_does_not_depend_on_the_order_they_came_in(one, other):
    mine, theirs = {e.sk: e for e in written(one)}, {e.sk: e for e in written(other)}
    there = [
        merge(mine[k], theirs[k]) if k in mine and k in theirs else mine.get(k) or theirs[k] for k in {**mine, **theirs}
    ]
    back = [
        merge(theirs[k], mine[k]) if k in mine and k in theirs else theirs.get(k) or mine[k] for k in {**theirs, **mine}
    ]
    assert need_of(there) == need_of(back)


def idle(since_ms=0, carried=(), chunk=CHUNK, size=10):
    return Idle(chunk, PART, size, since_ms, carried)


def test_the_short_grace_is_for_bytes_that_are_carried_and_confirmed():
    assert not is_due(idle(), 999, GRACES, carried=True)
    assert is_due(idle(), 1000, GRACES, carried=False)
    assert not is_due(idle(carried=(PACKED,)), 999, GRACES, carried=False)
    assert is_due(idle(carried=(PACKED,)), 100, GRACES, carried=True)
    assert not is_due(idle(carried=(PACKED,)), 99, GRACES, carried=True)


@given(st.dictionaries(st.sampled_from(NODES), st.integers(0, 20)), st.lists(st.integers(0, 20), max_size=6))
def test_a_node_that_was_not_settled_since_a_chunk_became_idle_holds_it_up_and_is_named(settled, since):
    due = [idle(at, chunk=ChunkId(bytes([number]) * 32)) for number, at in enumerate(since)]
    held = hold_up(due, NODES, settled)
    for one in due:
        blocking = {node for node in NODES if settled.get(node, 0) <= one.since_ms}
        assert (one in held.free) == (not blocking)
        assert blocking <= set(held.by)
    for node in held.by:
        assert any(settled.get(node, 0) <= one.since_ms for one in due)
        assert held.by[node] == sum(one.size for one in due if settled.get(node, 0) <= one.since_ms)


def test_nobody_to_ask_holds_everything_up():
    assert hold_up([idle()], [], {}).free == ()


def test_a_node_is_settled_up_to_its_oldest_write_that_is_on_its_way_by_the_askers_clock():
    assert settled_at(100_000, 0) == 98_000
    assert settled_at(100_000, 30_000) == 68_000
    assert settled_at(100_000, -5) == 98_000


@given(
    st.sets(st.sampled_from(NODES)),
    st.dictionaries(st.sampled_from(NODES[1:]), st.sampled_from([None, True, False])),
    st.booleans(),
)
def test_a_chunk_goes_only_from_an_owner_that_counts_when_all_who_are_there_know_no_need(owners, told, counts):
    shares = {PART: Share(tuple(sorted(owners)), tuple(sorted(owners)))}
    words = {node: None if said is None else frozenset([CHUNK] if said else []) for node, said in told.items()}
    gone = agreed(NODES[0], [idle()], shares, {PART} if counts else set(), words)
    allowed = NODES[0] in owners and counts and all(said is True for said in told.values())
    assert bool(gone) == allowed


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.one_of(st.none(), st.integers(0, 3000)))
def test_a_word_is_never_given_against_a_need_or_by_an_owner_that_cannot_know(here, owner, counts, needed, since):
    one = None if since is None else idle(since)
    said = needless(one, 2000, GRACES, here=here, owner=owner, counts=counts, needed=needed)
    if needed or (owner and not counts):
        assert not said
    elif owner and here:
        assert said == (one is not None and 2000 - since >= 1000)
    else:
        assert said


def test_each_owner_waits_for_its_own_grace_of_carried_bytes():
    one = replace(idle(1950), carried=(PACKED,))
    assert not needless(one, 2000, GRACES, here=True, owner=True, counts=True, needed=False)
    assert needless(one, 2100, GRACES, here=True, owner=True, counts=True, needed=False)
