"""A data folder that was copied to a second machine, on simulated machines with the real node."""

import asyncio

from simulations.nodes import Mesh, Setup

BUDGET_S = 60.0


def test_the_first_goes_on_and_the_second_is_told():
    world = Mesh(31, 4, Setup())
    seen = []
    world.seen = lambda at, peer, state: seen.append((at, peer, state))

    async def story():
        one, two, first, copy = world.machines
        for machine in (one, two, first):
            await world.boot(machine)
        linked = lambda: all(len(machine.node.network.links()) == 2 for machine in (one, two, first))  # noqa: E731
        assert await world.until(linked, BUDGET_S) is not None
        await asyncio.sleep(5)
        copy.identity = first.identity
        for path in await first.disk.list("membership"):
            await copy.disk.write(f"membership/{path}", await first.disk.read(f"membership/{path}"))
        links = [machine.node.network.links()[first.id] for machine in (one, two)]
        told = [machine.node.members.alive()[first.id] for machine in (one, two)]
        seen.clear()
        await world.boot(copy)
        assert await world.until(lambda: copy.node.warnings(), BUDGET_S) is not None
        for _ in range(120):
            await asyncio.sleep(0.5)
            assert not copy.node.network.links()
            assert [machine.node.network.links()[first.id] for machine in (one, two)] == links
        assert [machine.node.members.alive()[first.id].incarnation for machine in (one, two)] == [
            member.incarnation for member in told
        ], "nothing of the copy was heard"
        assert not [line for line in seen if line[0] in ("n1", "n2", "n3")], "nobody went and nobody came"
        (warning,) = copy.node.warnings()
        assert "10.0.0.3:8326" in warning
        assert "start it with an empty folder (--data)" in warning
        assert not first.node.warnings()

        # Once the first is stopped for good, whoever has its folder is the node.
        world.crash(first)
        world.fabric.silence(copy.id, False)  # the fabric knows both by the one id
        back = lambda: {one.id, two.id} <= set(copy.node.network.links())  # noqa: E731
        assert await world.until(back, 2 * BUDGET_S) is not None
        assert not copy.node.warnings()

    world.run(story)
    assert not world.failures
