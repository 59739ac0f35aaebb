"""Revoking over partitions and crashes, on simulated machines with the real node: once it is heard of, it holds."""

import asyncio

import pytest

from mesh.actors.livetrack import Object
from mesh.core.identity import Authority, check_issuer
from mesh.core.rows import Change
from proto import codec
from proto.messages.cameras import AddCamera, CameraAdded
from simulations.nodes import Mesh, Setup
from simulations.world.film import url_of

BUDGET_S = 60.0
LAST_FRAME_S = 0.5
"""From the order to end a node to the last frame of it, and to it, in a mesh that is whole."""


async def stand(world):
    for machine in world.machines:
        await world.boot(machine)
    count = len(world.machines)
    linked = lambda: all(len(one.node.network.links()) == count - 1 for one in world.machines)  # noqa: E731
    assert await world.until(linked, BUDGET_S) is not None
    known = lambda: all(len(one.node.roster.members()) == count for one in world.machines)  # noqa: E731
    assert await world.until(known, BUDGET_S) is not None
    held = lambda: all(len(one.node.roster.admitting()) == count for one in world.machines)  # noqa: E731
    assert await world.until(held, BUDGET_S) is not None


def out(world, gone):
    """Whether nobody that runs has a link to a machine or would take one, beside itself."""
    others = [one for one in world.up() if one is not gone]
    return all(gone.id not in one.node.network.links() and one.node.roster.revoked(gone.id) for one in others)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_node_revoked_in_a_partition_is_out_everywhere_once_it_heals(seed):
    world = Mesh(seed, 4, Setup())

    async def story():
        await stand(world)
        one, two, three, gone = world.machines
        world.partition([[one, two], [three, gone]])
        done = await world.on(one, lambda node: node.admission.revoke(gone.id, "stolen"))
        assert done.renewed, "it held the secret, as they all did"
        assert await world.until(lambda: two.node.roster.revoked(gone.id) is not None, BUDGET_S) is not None
        assert three.node.roster.revoked(gone.id) is None
        assert gone.id in three.node.network.links()
        world.heal()
        assert await world.until(lambda: out(world, gone), BUDGET_S) is not None
        # The others go over to the new authority, which those that could admit before hold now.
        authority = one.node.roster.authority
        over = lambda: all(  # noqa: E731
            machine.node.roster.authority == authority and machine.node.admission.admits
            for machine in (one, two, three)
        )
        assert await world.until(over, BUDGET_S) is not None
        # It is for ever: over crashes, and when the revoked one comes back itself.
        for machine in (three, gone):
            world.crash(machine)
            await world.boot(machine)
        assert await world.until(lambda: three.id in one.node.network.links(), BUDGET_S) is not None
        assert await world.until(lambda: three.node.admission.admits, BUDGET_S) is not None
        assert out(world, gone)
        assert three.node.roster.authority == authority

    world.run(story)
    assert not world.failures


def test_one_seed_revokes_in_one_way():
    def trace():
        world = Mesh(7, 3, Setup())

        async def story():
            await stand(world)
            one, _, gone = world.machines
            await world.on(one, lambda node: node.admission.revoke(gone.id, ""))
            assert await world.until(lambda: out(world, gone), BUDGET_S) is not None

        world.run(story)
        return world.trace.hexdigest()

    assert trace() == trace()


def test_rows_that_only_claim_to_revoke_are_ignored():
    world = Mesh(5, 3, Setup())

    async def story():
        await stand(world)
        one, two, three = world.machines
        forged = Authority(b"x" * 32, world.mesh).tombstone(two.id, "forged")
        for sealed in (codec.encode(forged), b"rubbish", "text"):
            change = Change("revocations", two.id, set={"sealed": sealed})
            await world.on(three, lambda node, change=change: node.catalogue.write(change))
        # What was signed for the one is no word about the other.
        real = world.authority.tombstone(three.id, "another's")
        await world.on(
            three, lambda node: node.catalogue.write(Change("revocations", two.id, set={"sealed": codec.encode(real)}))
        )
        await asyncio.sleep(20)
        assert not any(machine.node.roster.tombstones() for machine in world.machines)
        assert two.id in one.node.network.links()

    world.run(story)


def lose_tables(machine):
    machine.tables.wipe()


def keep_tables(machine):
    del machine


@pytest.mark.parametrize("loses", [lose_tables, keep_tables], ids=["tables lost", "rows overwritten"])
def test_a_node_that_restarts_alone_with_a_revoked_one_remembers_it(loses):
    world = Mesh(11, 4, Setup())

    async def story():
        await stand(world)
        one, two, three, gone = world.machines
        await world.on(one, lambda node: node.admission.revoke(gone.id, "stolen"))
        assert await world.until(lambda: out(world, gone), BUDGET_S) is not None
        over = lambda: all(machine.node.admission.admits for machine in (one, two, three))  # noqa: E731
        assert await world.until(over, BUDGET_S) is not None
        # Any member can write to a row; what it says then is ignored by those who run, and read by who starts.
        for key in sorted(key for key in two.node.roster._entries if key[0] == "revocations"):
            change = Change(*key, set={"sealed": b"rubbish"})
            await world.on(three, lambda node, change=change: node.catalogue.write(change))
        await asyncio.sleep(10)
        world.crash(two)
        loses(two)
        world.partition([[two, gone], [one, three]])
        await world.boot(two)
        await asyncio.sleep(30)
        assert two.node.roster.revoked(gone.id) == "revoked: stolen"
        assert gone.id not in two.node.network.links()

    world.run(story)
    assert not world.failures


def test_no_frame_of_a_revoked_node_is_taken_a_moment_later_and_it_gets_none():
    world = Mesh(12, 4, Setup())
    last = {}

    async def story():
        await stand(world)
        one, two, three, gone = world.machines
        cameras = {}
        for machine in (three, gone):
            add = AddCamera(url_of(machine.name), machine.name)
            added = await world.on(
                machine, lambda node, add=add: node.system.ask(node.node_id, "proxy", add, CameraAdded)
            )
            cameras[machine.name] = f"{added.camera}/main"

        def watch(machine, track):
            async def frames():
                async with machine.node.live.subscribe(track) as subscription:
                    async for item in subscription:
                        if isinstance(item, Object):
                            last[machine.name, track] = world.loop.time()

            world.loop.create_task(frames(), context=world.loop.context_of(machine.life))

        ways = [(one, cameras["n4"]), (two, cameras["n4"]), (gone, cameras["n3"])]
        there = lambda: all(track in machine.node.live.tracks() for machine, track in ways)  # noqa: E731
        assert await world.until(there, BUDGET_S) is not None
        for machine, track in ways:
            watch(machine, track)
        await asyncio.sleep(5)
        began = world.loop.time()
        assert len(last) == len(ways)
        assert min(last.values()) > began - 0.2, "all get pictures"
        await world.on(two, lambda node: node.admission.revoke(gone.id, "stolen"))
        await asyncio.sleep(10)
        took = {way: at - began for way, at in last.items()}
        assert max(took.values()) < LAST_FRAME_S, took

    world.run(story)
    assert not world.failures


def test_the_former_secret_lets_nobody_in_by_way_of_one_who_has_not_heard():
    world = Mesh(31, 3, Setup(), tier=2)

    async def story():
        one, three, late = world.machines
        for machine in (one, three):
            await world.boot(machine)
        held = lambda: all(len(machine.node.roster.admitting()) == 2 for machine in (one, three))  # noqa: E731
        assert await world.until(held, BUDGET_S) is not None
        world.fabric.partition([[one.id], [three.id, late.id]])
        await world.on(one, lambda node: node.admission.renew_authority())
        # Nobody tells a thief's node from an honest one here: both hold what admits, as far as they know.
        await world.boot(late)
        taken = lambda: late.id in three.node.network.links() and late.id in three.node.roster.members()  # noqa: E731
        assert await world.until(taken, BUDGET_S) is not None
        world.heal()
        authority = one.node.roster.authority
        over = lambda: three.node.admission.admits and three.node.roster.authority == authority  # noqa: E731
        assert await world.until(over, BUDGET_S) is not None
        alone = lambda: not late.node.network.links()  # noqa: E731
        assert await world.until(alone, 2 * BUDGET_S) is not None
        for _ in range(60):
            assert late.id not in {*one.node.network.links(), *three.node.network.links()}
            assert late.id not in one.node.roster.members()
            await asyncio.sleep(1.0)
        assert not check_issuer(late.identity.certificate, authority)
        assert three.id in one.node.network.links()
        assert any("`thatdam invite`" in told for told in late.node.warnings())
        assert late.node.members.refusals()
        for machine in (one, three):
            assert not machine.node.warnings()
            assert not machine.node.members.refusals()

    world.run(story)
    assert not world.failures
