"""Many whole nodes that start at once: what it costs until they have one layout, counted in operations."""

from collections import Counter

from mesh.core.placement import Layout
from mesh.core.replication import SyncState
from roles.storage.compare import Comparer
from simulations.nodes import Mesh, Setup
from simulations.speed import one_layout

NODES = 30


def counted(monkeypatch, counts, owner, name):
    real = getattr(owner, name)

    def counting(self, *given, **named):
        counts[name] += 1
        return real(self, *given, **named)

    monkeypatch.setattr(owner, name, counting)


def test_thirty_nodes_that_start_at_once_have_one_layout_after_few_comparisons_and_merges(monkeypatch):
    """Each comes with a layout of its own. Every one that arrived made a merge, and a comparison of all partitions
    with everybody: the cube of the nodes."""
    counts = Counter()
    counted(monkeypatch, counts, Comparer, "_compare_with")
    counted(monkeypatch, counts, SyncState, "refresh")
    placed = {}
    real_order = Layout.order

    def order(self, partition):
        placed[self.version] = self
        return real_order(self, partition)

    monkeypatch.setattr(Layout, "order", order)
    mesh = Mesh(1, NODES, Setup())

    def formed():
        nodes = [machine.node for machine in mesh.up()]
        return len(nodes) == NODES and all(one_layout(node, NODES) for node in nodes)

    async def story():
        for machine in mesh.machines:
            mesh.boot(machine)
        return await mesh.until(formed, 30.0)

    took_s = mesh.run(story)
    assert took_s is not None, "no one layout within half a minute"
    versions = {
        version.id: version for m in mesh.machines if m.node for version in m.node.view.history.versions.values()
    }
    merges = [version for version in versions.values() if len(version.parents) > 1]
    pairs = NODES * (NODES - 1)
    told = f"{counts}, {len(placed)} placed, {len(merges)} merges, {took_s:.1f} s"
    assert counts["_compare_with"] <= 6 * pairs, told
    assert counts["refresh"] <= 4 * pairs, told
    assert len([one for one in placed.values() if len(one.places) > 1]) <= NODES, told
    assert 1 <= len(merges) <= 4, told
