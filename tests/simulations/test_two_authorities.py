"""A mesh whose authority is renewed on both sides of a partition, over real QUIC on simulated machines."""

import asyncio

import pytest

from mesh.core.identity import check_issuer
from simulations.nodes import Mesh, Setup

BUDGET_S = 60.0


def linked(*machines):
    return all(
        {other.id for other in machines} - {one.id} <= set(one.node.network.links())
        for one in machines  # beside those that are out
    )


async def parted(world, *revoking):
    """Have both halves of a world revoke one of their own; gives once each goes by its own and shows nothing else."""
    for machine in world.machines:
        await world.boot(machine)
    every = world.machines
    held = lambda: all(len(one.node.roster.admitting()) == len(every) for one in every)  # noqa: E731
    assert await world.until(lambda: held() and linked(*every), BUDGET_S) is not None
    one, two, three, four = every
    world.fabric.partition([[one.id, two.id], [three.id, four.id]])
    for by, gone in revoking:
        await world.on(by, lambda node, gone=gone: node.admission.revoke(gone.id, "stolen"))
    shown = lambda: all(  # noqa: E731
        check_issuer(machine.node.network.identity.certificate, machine.node.roster.authority)
        for machine in (one, three)
    )
    assert await world.until(shown, BUDGET_S) is not None
    await asyncio.sleep(15.0)
    assert one.node.roster.authority != three.node.roster.authority
    assert not set(one.node.network.links()) & {three.id, four.id}


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice on one side"])
def test_sides_that_each_renewed_the_authority_link_again_and_refuse_whom_either_revoked(again):
    world = Mesh(41, 4, Setup(), tier=2)

    async def story():
        one, two, three, four = world.machines
        await parted(world, (one, two), (three, four))
        if again:
            # Nothing that both sides know was shown by it for as long as certificates go back.
            await world.on(one, lambda node: node.admission.renew_authority())
            await asyncio.sleep(15.0)
        world.heal()
        assert await world.until(lambda: linked(one, three), BUDGET_S) is not None
        out = lambda: all(  # noqa: E731
            machine.node.roster.revoked(gone.id) and gone.id not in machine.node.network.links()
            for machine in (one, three)
            for gone in (two, four)
        )
        assert await world.until(out, BUDGET_S) is not None
        assert one.node.roster.authority != three.node.roster.authority
        for machine, other in ((one, three), (three, one)):
            [told] = machine.node.warnings()
            assert f"{other.node.name} goes by the other one" in told
        # Over crashes, and for as long as nobody has decided: links stay, and the two write nothing against each other.
        for machine in (one, three):
            world.crash(machine)
            await world.boot(machine)
        assert await world.until(lambda: linked(one, three), BUDGET_S) is not None
        await asyncio.sleep(90.0)
        links = one.node.network.links()[three.id], three.node.network.links()[one.id]
        rows = [dict(machine.node.roster._entries) for machine in (one, three)]
        await asyncio.sleep(300.0)
        assert (one.node.network.links()[three.id], three.node.network.links()[one.id]) == links
        assert [machine.node.roster._entries for machine in (one, three)] == rows
        assert out()

    world.run(story)
    assert not world.failures


def test_two_that_renew_the_authority_at_once_cost_no_link_nor_does_a_start_of_all():
    world = Mesh(42, 6, Setup(), tier=2)

    async def story():
        every = world.machines
        for machine in every:
            await world.boot(machine)
        held = lambda: all(len(one.node.roster.admitting()) == len(every) for one in every)  # noqa: E731
        assert await world.until(lambda: held() and linked(*every), BUDGET_S) is not None
        before = [dict(machine.node.network.links()) for machine in every]
        renew = lambda node: node.admission.renew_authority()  # noqa: E731
        await asyncio.gather(world.on(every[0], renew), world.on(every[3], renew))
        await asyncio.sleep(120.0)
        by = {machine.node.roster.authority for machine in every}
        assert len(by) == 2
        assert all(check_issuer(machine.identity.certificate, machine.node.roster.authority) for machine in every)
        assert [machine.node.network.links() for machine in every] == before
        # All at once, with no link left to go on with.
        for machine in every:
            world.crash(machine)
        await asyncio.gather(*(world.boot(machine) for machine in every))
        assert await world.until(lambda: linked(*every), BUDGET_S) is not None
        before = [dict(machine.node.network.links()) for machine in every]
        await asyncio.sleep(180.0)
        assert [machine.node.network.links() for machine in every] == before
        for machine in every:
            assert machine.node.roster.authority in by
            assert len(machine.node.roster.members()) == len(every)
            assert not machine.node.members.refusals()
            [told] = machine.node.warnings()
            assert "by the other one" in told

    world.run(story)
    assert not world.failures
