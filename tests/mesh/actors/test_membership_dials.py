"""A dial ends, whatever it raises, so that the next one can begin; where the others are is kept over a restart."""

import asyncio

from mesh.actors import membership
from mesh.actors.membership import Members
from mesh.actors.system import ActorSystem
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.core.dialling import DIALS_AT_ONCE
from proto.ids import node_id_of
from proto.messages.membership import NodeInfo
from simulations.world.cores import Marks
from simulations.world.network import FakeFabric, FakeNetwork


class Memory:
    def __init__(self):
        self.book = ()

    async def load(self):
        return 0, ()

    async def save_incarnation(self, incarnation):
        pass

    async def save_book(self, book):
        self.book = book


class Failing(FakeNetwork):
    """Raises what no dial should raise."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.dialled = []

    async def dial(self, address, expect, timeout_s):
        self.dialled.append(address)
        raise UnicodeError("label too long")


def test_a_dial_that_raises_what_nobody_foresaw_ends_like_any_other():
    async def main():
        node = node_id_of(b"n" * 32)
        clock, entropy = SystemClock(), SystemEntropy()
        network = Failing(FakeFabric(), node, ("10.0.0.1", 1))
        system = ActorSystem(node, network, clock, entropy)
        await network.start(system)
        members = Members(system, network, clock, entropy, (), NodeInfo("n"), Memory(), Marks(node))
        try:
            await members.start()
            # More than run at once: were one never ended, the rest would wait for ever.
            wanted = {(f"bad-{number}", side) for number in range(DIALS_AT_ONCE * 2) for side in (1, 2)}
            for number in range(DIALS_AT_ONCE * 2):
                other = node_id_of(bytes([number]) * 32)
                members.found(other, [(f"bad-{number}", 1), (f"bad-{number}", 2)])
            async with asyncio.timeout(30):
                while not wanted <= set(network.dialled):
                    await asyncio.sleep(0.02)
        finally:
            await system.close()

    asyncio.run(main())


def test_a_node_that_stops_right_after_it_met_another_knows_it_when_it_starts_again(monkeypatch):
    monkeypatch.setattr(membership, "BOOK_SAVE_S", 3600.0)

    async def main():
        fabric, made = FakeFabric(), []
        clock, entropy = SystemClock(), SystemEntropy()
        for number in range(3):
            node = node_id_of(bytes([number + 1]) * 32)
            network = FakeNetwork(fabric, node, ("10.0.0.1", 8000 + number))
            system = ActorSystem(node, network, clock, entropy)
            await network.start(system)
            info = NodeInfo(f"n{number}", (("10.0.0.1", 8000 + number),))
            memory = Memory()
            members = Members(system, network, clock, entropy, (), info, memory, Marks(node))
            await members.start()
            made.append((node, system, members, memory))
        (_, _, one, memory), (second, *_), (third, *_) = made
        try:
            for number, node in ((1, second), (2, third)):
                one.found(node, [("10.0.0.1", 8000 + number)])
                async with asyncio.timeout(30):
                    while node not in one.alive():
                        await asyncio.sleep(0.02)
            await one.leave()
            assert {node for node, _ in memory.book} == {second, third}
        finally:
            for _, system, _, _ in made:
                await system.close()
            await fabric.close()

    asyncio.run(main())


class Noting(FakeNetwork):
    """Keeps what was dialled once each dial has ended."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.dialled = []

    async def dial(self, address, expect=None, timeout_s=5.0):
        try:
            return await super().dial(address, expect, timeout_s)
        finally:
            self.dialled.append(address)


def test_a_node_told_to_join_itself_among_others_is_not_refused_by_itself():
    async def main():
        fabric, node, clock, entropy = FakeFabric(), node_id_of(b"n" * 32), SystemClock(), SystemEntropy()
        here, by_name = ("10.0.0.1", 8326), ("here.example", 8326)
        network = Noting(fabric, node, here)
        system = ActorSystem(node, network, clock, entropy)
        await network.start(system)
        fabric.nodes[by_name] = network
        members = Members(system, network, clock, entropy, (here, by_name), NodeInfo("n"), Memory(), Marks(node))
        members.update(NodeInfo("n", (here,)))  # where it listens is known only once it does
        try:
            await members.start()
            async with asyncio.timeout(30):
                while by_name not in network.dialled:
                    await asyncio.sleep(0.02)
            assert here not in network.dialled
            assert not members.refusals()
        finally:
            await system.close()

    asyncio.run(main())
