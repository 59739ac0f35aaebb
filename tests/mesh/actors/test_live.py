"""Live tracks over several nodes: one upstream a hop, from the current group at once, and on by another path."""

import asyncio
import contextlib

from memory_network import MemoryMesh

from mesh.actors.live import Ended, Gap, GroupStart, LiveHub, Object
from mesh.actors.livetrack import LATE_OBJECTS_MAX
from mesh.adapters.clock import SystemEntropy

TRACK = "cam/main"


@contextlib.asynccontextmanager
async def hubs(names, links):
    mesh = MemoryMesh(names)
    made = {}
    for name in names:
        made[name] = LiveHub(mesh.systems[name], SystemEntropy())
        await made[name].open()
    for one, other in links:
        mesh.join(one, other)
    try:
        yield mesh, made
    finally:
        for hub in made.values():
            hub.close()
        await mesh.close()


async def until(ready, timeout_s=5.0):
    async with asyncio.timeout(timeout_s):
        while not ready():
            await asyncio.sleep(0.005)


async def take(subscription, count, timeout_s=5.0):
    async with asyncio.timeout(timeout_s):
        return [await subscription.next() for _ in range(count)]


def give(publisher, group, objects):
    publisher.begin(group, b"header %d" % group)
    for number in range(objects):
        publisher.object(b"%d/%d" % (group, number))


class Collector:
    """Takes a subscription to its end and keeps what came."""

    def __init__(self, hub, lossless=False):
        self.items = []
        self.subscription = hub.subscribe(TRACK, lossless=lossless)
        self.task = asyncio.create_task(self.run())

    async def run(self):
        async with self.subscription:
            async for item in self.subscription:
                self.items.append(item)

    def objects(self):
        return [item.data for item in self.items if isinstance(item, Object)]

    def gaps(self):
        return sum(item.groups for item in self.items if isinstance(item, Gap))


def test_on_one_node_a_subscriber_begins_with_the_current_group_and_hears_the_end():
    async def run():
        hub = LiveHub()
        wanted = []
        publisher = hub.announce(TRACK, wanted.append)
        give(publisher, 7, 2)
        async with hub.subscribe(TRACK) as one, hub.subscribe(TRACK):
            assert wanted == [True]
            items = await take(one, 3)
            assert [type(item) for item in items] == [GroupStart, Object, Object]
            assert items[0].group == 7
            publisher.object(b"more")
            assert (await take(one, 1)) == [Object(7, b"more")]
            publisher.close("unplugged")
            assert (await take(one, 1)) == [Ended("unplugged")]
        assert await take(hub.subscribe(TRACK), 1) == [Ended("no such track now")]
        assert hub.tracks() == {}

    asyncio.run(run())


def test_a_late_live_subscriber_loses_whole_groups_and_a_lossless_one_none():
    async def run():
        hub = LiveHub()
        publisher = hub.announce(TRACK, lambda _: None)
        live, lossless = hub.subscribe(TRACK), hub.subscribe(TRACK, lossless=True)
        give(publisher, 0, LATE_OBJECTS_MAX + 10)
        give(publisher, 1, 3)
        give(publisher, 2, 3)
        items = await take(live, 9)
        assert [type(item) for item in items] == [Gap] + 2 * [GroupStart, Object, Object, Object]
        assert items[0].groups == live.groups_lost == 1
        assert len(await take(lossless, LATE_OBJECTS_MAX + 10 + 6 + 3))
        assert lossless.groups_lost == 0
        live.close()
        lossless.close()

    asyncio.run(run())


def test_three_viewers_two_hops_away_take_one_upstream_a_hop():
    async def run():
        async with hubs("abc", [("a", "b"), ("b", "c")]) as (mesh, nodes):
            wanted = []
            publisher = nodes["a"].announce(TRACK, wanted.append)
            give(publisher, 0, 3)
            await until(lambda: TRACK in nodes["c"].tracks())
            track = nodes["c"].tracks()[TRACK]
            assert (track.hops, track.source, track.next_hop) == (2, "a", "b")
            viewers = [Collector(nodes["c"]) for _ in range(3)]
            await until(lambda: all(len(viewer.objects()) == 3 for viewer in viewers))
            assert viewers[0].items[0].header == b"header 0"
            late = Collector(nodes["c"])
            for group in range(1, 5):
                give(publisher, group, 3)
                await asyncio.sleep(0.02)
            await until(lambda: all(len(viewer.objects()) == 15 for viewer in [*viewers, late]))
            assert all(viewer.objects() == viewers[0].objects() and not viewer.gaps() for viewer in viewers)
            assert nodes["a"].subscribers(TRACK) == nodes["b"].subscribers(TRACK) == 1
            assert mesh.link("a", "b").streams_opened == mesh.link("b", "c").streams_opened == 5
            for viewer in [*viewers, late]:
                viewer.task.cancel()
            await until(lambda: nodes["a"].subscribers(TRACK) == 0)
            assert wanted == [True, False]

    asyncio.run(run())


def test_a_relay_that_dies_in_the_middle_of_a_group_is_replaced_without_a_gap_or_a_double():
    async def run():
        links = [("a", "b"), ("b", "c"), ("a", "d"), ("d", "c")]
        async with hubs("abcd", links) as (mesh, nodes):
            publisher = nodes["a"].announce(TRACK, lambda _: None)
            await until(lambda: all(TRACK in hub.tracks() for hub in nodes.values()))
            viewer = Collector(nodes["c"], lossless=True)
            give(publisher, 0, 4)
            await until(lambda: len(viewer.objects()) == 4)
            assert nodes["c"].tracks()[TRACK].next_hop == "b"
            publisher.object(b"0/4")
            mesh.cut("a", "b")
            mesh.cut("b", "c")
            publisher.object(b"0/5")
            await until(lambda: len(viewer.objects()) == 6)
            give(publisher, 1, 2)
            await until(lambda: len(viewer.objects()) == 8)
            assert viewer.objects() == [b"0/%d" % n for n in range(6)] + [b"1/0", b"1/1"]
            assert viewer.gaps() == 0
            assert nodes["c"].tracks()[TRACK].next_hop == "d"
            viewer.task.cancel()

    asyncio.run(run())


def test_a_relay_that_falls_silent_is_left_for_another_path_and_what_was_missed_is_told():
    async def run():
        links = [("a", "b"), ("b", "c"), ("a", "d"), ("d", "c")]
        async with hubs("abcd", links) as (mesh, nodes):
            publisher = nodes["a"].announce(TRACK, lambda _: None)
            await until(lambda: all(TRACK in hub.tracks() for hub in nodes.values()))
            viewer = Collector(nodes["c"])
            give(publisher, 0, 2)
            await until(lambda: len(viewer.objects()) == 2)
            mesh.silence("a", "b")
            mesh.silence("b", "c")
            for group in range(1, 60):
                give(publisher, group, 1)
                await asyncio.sleep(0.1)
                if len(viewer.objects()) > 2:
                    break
            assert nodes["c"].tracks()[TRACK].next_hop == "d"
            first = viewer.items[4].group
            assert viewer.gaps() == first, "the group that was open, and all until the first that came again"
            assert first >= group - 1, "the new path's groups come at once"
            viewer.task.cancel()

    asyncio.run(run())


def test_a_closed_track_ends_everywhere_at_once_and_a_new_opening_is_found_again():
    async def run():
        async with hubs("abc", [("a", "b"), ("b", "c")]) as (_, nodes):
            publisher = nodes["a"].announce(TRACK, lambda _: None)
            give(publisher, 0, 1)
            await until(lambda: TRACK in nodes["c"].tracks())
            viewer = Collector(nodes["c"])
            await until(lambda: viewer.objects())
            publisher.close("the camera was removed")
            await until(lambda: viewer.task.done(), timeout_s=1.0)
            assert viewer.items[-1] == Ended("the camera was removed")
            await until(lambda: not nodes["c"].tracks())
            again = nodes["a"].announce(TRACK, lambda _: None)
            await until(lambda: TRACK in nodes["c"].tracks())
            viewer = Collector(nodes["c"])
            give(again, 0, 2)
            await until(lambda: len(viewer.objects()) == 2)
            viewer.task.cancel()

    asyncio.run(run())


def test_a_source_opened_again_keeps_its_far_subscribers():
    async def run():
        async with hubs("ab", [("a", "b")]) as (_, nodes):
            first = nodes["a"].announce(TRACK, lambda _: None)
            give(first, 0, 2)
            await until(lambda: TRACK in nodes["b"].tracks())
            viewer = Collector(nodes["b"])
            await until(lambda: len(viewer.objects()) == 2)
            wanted = []
            second = nodes["a"].announce(TRACK, wanted.append)
            assert wanted == [True]
            first.object(b"of a closed publisher")
            give(second, 0, 2)
            await until(lambda: len(viewer.objects()) == 4)
            assert b"of a closed publisher" not in viewer.objects()
            assert viewer.gaps() == 1, "the group that was open lost its end"
            viewer.task.cancel()

    asyncio.run(run())


def test_a_slow_link_loses_groups_of_a_live_track_and_none_of_a_lossless_one():
    async def run():
        for lossless in (False, True):
            async with hubs("ab", [("a", "b")]) as (mesh, nodes):
                publisher = nodes["a"].announce(TRACK, lambda _: None)
                await until(lambda hubs=nodes: TRACK in hubs["b"].tracks())
                viewer = Collector(nodes["b"], lossless=lossless)
                publisher.begin(0, b"")
                await until(lambda hubs=nodes: hubs["a"].subscribers(TRACK) == 1)
                await until(lambda seen=viewer: seen.items)
                mesh.silence("a", "b")
                for group in range(1, 8):
                    publisher.begin(group, b"")
                    publisher.object(bytes(4 << 20))
                    await asyncio.sleep(0.25)
                mesh.audible[frozenset("ab")].set()
                publisher.begin(8, b"")
                publisher.object(b"last")
                await until(lambda seen=viewer: b"last" in seen.objects())
                starts = sum(1 for item in viewer.items if isinstance(item, GroupStart))
                if lossless:
                    assert (starts, viewer.gaps()) == (9, 0)
                else:
                    assert viewer.gaps() >= 1
                    assert len(viewer.objects()) < 8
                viewer.task.cancel()

    asyncio.run(run())
