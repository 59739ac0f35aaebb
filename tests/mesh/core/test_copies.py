"""What nodes say of an asset's chunks, and the count of copies that follows."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.core.copies import Standing, Told, merge, tell
from mesh.core.placement import Layout, Place, partition_of
from mesh.core.sharing import Share
from proto.ids import PARTITIONS, ChunkId, NodeId, PartitionId

NODES = [NodeId(name) for name in "abcde"]
LAYOUT = Layout({node: Place(1 << 30) for node in NODES})


def shares_of(wanted, away=frozenset()):
    parts = map(PartitionId, range(PARTITIONS))
    return {p: Share(LAYOUT.owners(p, wanted), LAYOUT.holders(p, wanted, away)) for p in parts}


SHARES = {wanted: shares_of(wanted) for wanted in (1, 2, 3)}
chunk_ids = st.integers(0, 40).map(lambda n: ChunkId(bytes([n]) * 32))
worlds = st.dictionaries(chunk_ids, st.sets(st.sampled_from(NODES), min_size=1), min_size=1, max_size=12)


def standing_at(node, chunk, having, shares, alive):
    """How a chunk stands at a node that has just looked."""
    part = partition_of(chunk)
    others = [n for n in shares[part].holders if n != node]
    elsewhere = sum(1 for n in others if n in alive and n in having)
    pending = any(n not in having or n not in alive for n in others)
    return Standing(part, pending, True, elsewhere, 1)


@given(worlds, st.sampled_from([1, 2, 3]), st.sets(st.sampled_from(NODES)))
def test_the_count_is_that_of_holders_reached_and_never_above_the_truth(world, wanted, alive):
    shares = SHARES[wanted]
    told = {}
    for node in sorted(alive):
        here = [
            standing_at(node, chunk, having, shares, alive) for chunk, having in sorted(world.items()) if node in having
        ]
        told[node] = tell(node, here, (), shares, shares, alive, wanted)
    counted = merge(told, shares, alive, wanted, all_told=True)
    reachable = {chunk: having & alive for chunk, having in world.items() if having & alive}
    if not reachable:
        assert counted.copies == 0
        return
    truth = min(len(having) for having in reachable.values())
    assert counted.copies <= min(truth, wanted)
    if all(having >= set(shares[partition_of(chunk)].holders) & alive for chunk, having in world.items()):
        holders = min(len(set(shares[partition_of(chunk)].holders) & alive) for chunk in reachable)
        assert counted.copies >= min(holders, wanted)
        assert (counted.short > 0) == (counted.copies < wanted)


@given(st.integers(0, PARTITIONS - 1), st.sampled_from(NODES))
def test_settled_chunks_do_not_count_new_holders_before_they_were_looked_at_again(number, gone):
    part, wanted = PartitionId(number), 2
    now = shares_of(wanted, frozenset({gone}))
    before = SHARES[wanted]
    alive = frozenset(NODES) - {gone}
    for me in before[part].holders:
        if me == gone:
            continue
        unseen = tell(me, [Standing(part, False, False, 1, 3)], (), now, before, alive, wanted)
        changed = gone in before[part].holders
        assert (unseen.fewest, unseen.short) == ((1, 3) if changed else (2, 0))
        blind = tell(me, [Standing(part, False, False, 1, 3)], (), now, None, alive, wanted)
        assert blind.fewest == 1
        seen = tell(me, [Standing(part, False, True, 1, 3)], (), now, now, alive, wanted)
        assert (seen.fewest, seen.short, seen.repairing) == (2, 0, 0)


@given(
    st.permutations(NODES[:3]), st.lists(st.builds(Told, st.integers(0, 3), st.integers(1, 3)), min_size=3, max_size=3)
)
def test_the_order_of_answers_does_not_matter(order, answers):
    told = dict(zip(NODES[:3], answers, strict=True))
    again = {node: told[node] for node in order}
    alive = frozenset(NODES)
    assert merge(told, SHARES[2], alive, 2, all_told=True) == merge(again, SHARES[2], alive, 2, all_told=True)


def test_a_chunk_that_all_who_held_it_have_lost_has_no_copy():
    chunk = ChunkId(b"x" * 32)
    holders = SHARES[2][partition_of(chunk)].holders
    alive = frozenset(NODES)
    one = merge({holders[0]: Told(0, 0, 0, 0, (chunk,)), holders[1]: Told(1, 2)}, SHARES[2], alive, 2, all_told=True)
    assert (one.copies, one.short, one.repairing) == (1, 1, 1)
    both = {holder: Told(3, 2, damaged=(chunk,)) for holder in holders}
    assert merge(both, SHARES[2], alive, 2, all_told=True).copies == 0


def test_what_not_everybody_could_be_asked_for_is_not_counted():
    alive = frozenset(NODES)
    assert merge({NODES[0]: Told(3, 2)}, SHARES[2], alive, 2, all_told=False).copies is None
    assert merge({}, SHARES[2], alive, 2, all_told=False).copies is None
    assert merge({}, SHARES[2], alive, 2, all_told=True).copies == 0
