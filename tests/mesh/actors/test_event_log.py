"""Events over a mesh that loses messages: each comes once and in its order, and what is lost is told of."""

import asyncio

import pytest
from lossy_network import Client, simulate

from mesh.core.following import Why


def test_what_happens_on_one_node_is_told_on_every_other_and_only_what_was_asked_for():
    async def work(world):
        one, two, three = world.ids
        all_of_it, captures = Client(world, two), Client(world, three, topics=["capture.*"])
        for topic in ("capture.started", "asset.changed", "capture.stopped"):
            world.tell(one, topic)
        await asyncio.gather(all_of_it.read(2.0), captures.read(2.0))
        assert all_of_it.had[one] == [(1, 1), (1, 2), (1, 3)]
        assert captures.had[one] == [(1, 1), (1, 3)]
        assert captures.gaps == []

    simulate(work)


@pytest.mark.parametrize("seed", range(12))
def test_a_client_that_moves_from_node_to_node_has_everything_once_whatever_the_network_loses(seed):
    async def work(world):
        chance = world.chance
        world.loss = chance.choice((0.0, 0.1, 0.3))
        client = Client(world, world.ids[0])
        for _ in range(40):
            for _ in range(chance.randrange(6)):
                world.tell(chance.choice(world.ids))
            one, other = chance.sample(world.ids, 2)
            match chance.randrange(5):
                case 0:
                    world.cut(one, other)
                case 1 | 2:
                    world.join(one, other)
                case 3:
                    client.leave()
                    client.open(chance.choice(world.ids))
            await client.read(chance.uniform(0.0, 2.0))
        world.loss = 0.0
        for one in world.ids:
            for other in world.ids:
                world.join(one, other)
        await client.read(30.0)
        assert [gap for gap in client.gaps if gap[2] is not Why.UNREACHABLE] == []
        for origin in world.ids:
            missed = sum(missed for of, missed, _ in client.gaps if of == origin)
            assert client.check(origin) + missed == len(world.told[origin])
        assert len(client.gaps) <= 2

    simulate(work, seed, names=4)


def test_a_long_cut_loses_nothing_and_a_node_never_linked_is_heard_through_the_third():
    async def work(world):
        one, two, three = world.ids
        client = Client(world, three)
        world.cut(one, three)
        world.tell(one)
        await client.read(15.0)
        assert client.had[one] == [(1, 1)]  # from two's journal
        world.cut(one, two)
        for _ in range(300):
            world.tell(one)
        await client.read(60.0)
        assert len(client.had[one]) == 1
        world.join(one, three)
        await client.read(10.0)
        assert client.had[one] == world.told[one]
        assert client.gaps == []

    simulate(work)


def test_what_fell_off_the_ring_is_counted_and_the_rest_follows():
    async def work(world):
        one, two, three = world.ids
        for node in world.nodes.values():
            node.log._journal._own_max, node.log._journal._heard_max = 100, 300
        client = Client(world, two)
        world.tell(one)
        await client.read(2.0)
        client.leave()
        world.cut(one, two)
        world.cut(one, three)
        for _ in range(150):
            world.tell(one)
        await asyncio.sleep(1.0)
        world.join(one, two)
        await asyncio.sleep(1.0)
        client.open(two)
        await client.read(10.0)
        assert client.gaps == [(one, 50, Why.RING)]
        assert [item for item in client.had[one] if isinstance(item, tuple)][1:] == [
            (1, number) for number in range(52, 152)
        ]
        assert world.nodes[two].log.missed == 50
        assert world.nodes[two].log.gaps[Why.RING] == 1

    simulate(work)


def test_a_follower_that_does_not_read_holds_nothing_and_is_told_what_it_missed():
    async def work(world):
        one, two, _ = world.ids
        for node in world.nodes.values():
            node.log._journal._own_max, node.log._journal._heard_max = 100, 300
        slow, fast = Client(world, two), Client(world, two)
        for _ in range(50):
            for _ in range(20):
                world.tell(one)
            await fast.read(0.5)
        await slow.read(10.0)
        assert fast.had[one] == world.told[one]
        assert slow.had[one][-1] == (1, 1000)
        assert 600 <= sum(missed for _, missed, _ in slow.gaps) <= 900
        slow.check(one)

    simulate(work)


def test_a_node_that_started_anew_is_told_of_and_its_new_events_follow():
    async def work(world):
        one, two, three = world.ids
        client = Client(world, two)
        world.tell(one)
        await client.read(2.0)
        await world.restart(one)
        world.tell(one)
        await client.read(5.0)
        assert client.gaps == [(one, None, Why.RESTART)]
        assert [item for item in client.had[one] if isinstance(item, tuple)] == [(1, 1), (2, 1)]
        # The same on the node itself and on another, with a cursor from before its start.
        client.leave()
        client.open(one)
        world.tell(one)
        await client.read(5.0)
        client.leave()
        client.open(three)
        await client.read(5.0)
        assert client.had[one][-1] == (2, 2)
        assert len(client.gaps) == 1

    simulate(work)


def test_what_a_node_told_before_it_was_killed_comes_from_those_who_heard_it():
    async def work(world):
        one, two, three = world.ids
        client = Client(world, one)
        await client.read(1.0)
        client.leave()
        for _ in range(5):
            world.tell(one)
        await asyncio.sleep(1.0)
        await world.restart(one)
        await asyncio.sleep(1.0)
        client.open(one)
        world.tell(one)
        await client.read(10.0)
        assert client.had[one][:5] == [(1, number) for number in range(1, 6)]
        assert client.had[one][-1] == (2, 1)
        assert client.gaps == [(one, None, Why.RESTART)]
        client.open(two)
        await client.read(2.0)
        assert len(client.gaps) == 1
        del three

    simulate(work)


def test_a_node_that_starts_knows_how_far_quiet_ones_are_whenever_its_links_come_up():
    async def work(world):
        one, two, _ = world.ids
        client = Client(world, two)
        await client.read(1.0)
        client.leave()
        world.tell(one)
        await asyncio.sleep(60.0)
        await world.restart(two, open_after_s=1.0)
        client.open(two)
        await client.read(5.0)
        assert client.had[one] == [(1, 1)]

    simulate(work)


def test_since_begins_at_a_time_on_any_node_and_says_what_may_be_missing():
    async def work(world):
        one, two, _ = world.ids
        for _ in range(3):
            world.tell(one)
            await asyncio.sleep(10.0)
        wall_ms = world.nodes[two].log._now_ms()
        fresh = Client(world, two, since_ms=wall_ms - 25_000)
        await fresh.read(5.0)
        assert fresh.had[one] == [(1, 2), (1, 3)]
        await world.restart(two)  # it has heard nothing: the origin is asked
        await asyncio.sleep(2.0)
        again = Client(world, two, since_ms=wall_ms - 25_000)
        await again.read(5.0)
        assert again.had[one] == [(1, 2), (1, 3)]
        assert [gap for gap in again.gaps if gap[0] != two] == []
        await world.restart(one)
        world.tell(one)
        await asyncio.sleep(2.0)
        later = Client(world, two, since_ms=wall_ms - 25_000)
        await later.read(5.0)
        assert [gap for gap in later.gaps if gap[0] != two] == [(one, None, Why.RESTART)]
        assert later.had[one][-1] == (2, 1)

    simulate(work)


def test_what_a_node_believes_is_told_on_itself_alone_and_goes_on_where_it_broke_off():
    async def work(world):
        one, two, _ = world.ids
        here, there = Client(world, one), Client(world, two)
        world.nodes[one].log.note("node.dead", {"camera": "1/1"})
        await asyncio.gather(here.read(2.0), there.read(2.0))
        assert (here.had[one], there.had[one]) == ([(1, 1)], [])
        here.leave()
        world.nodes[one].log.note("node.alive", {"camera": "1/2"})
        await asyncio.sleep(1.0)
        here.open(one)
        await here.read(2.0)
        assert here.had[one] == [(1, 1), (1, 2)]

    simulate(work)


def test_a_mesh_that_tells_nothing_sends_nothing():
    async def work(world):
        world.loss = 1.1  # a frame sent would be drawn for
        before = world.chance.getstate()
        client = Client(world, world.ids[0])
        await client.read(30.0)
        assert world.chance.getstate() == before

    simulate(work)
