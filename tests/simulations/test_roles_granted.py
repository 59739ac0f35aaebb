"""A node that claims roles which the mesh did not grant is taken for none of them, on machines with the real node."""

import asyncio

import pytest

from mesh.core.rows import Change
from mesh.ports import Refused
from proto.ids import short_id
from proto.messages.cameras import (
    AddCamera,
    CameraAdded,
    HoldRecording,
    ListRecordings,
    RecordingHeld,
    Recordings,
    StopRecording,
    TakeIs,
)
from proto.messages.jobs import AskJobs, Leases
from simulations.nodes import ALL_ROLES, Mesh, Setup

BUDGET_S = 60.0
ASSET = short_id(b"an asset of 16 b")
CAMERA = short_id(b"a camera of 16 b")


class Invited(Mesh):
    """A mesh whose last machine was let in, and can let nobody in."""

    def authority_at(self, machine):
        return None if machine is self.machines[-1] else super().authority_at(machine)


async def stand(world):
    for machine in world.machines:
        await world.boot(machine)
    count = len(world.machines) - 1
    known = lambda: all(len(one.node.roster.members()) == count for one in world.machines)  # noqa: E731
    assert await world.until(known, BUDGET_S) is not None
    linked = lambda: all(len(one.node.members.alive()) == count + 1 for one in world.machines)  # noqa: E731
    assert await world.until(linked, BUDGET_S) is not None


async def narrow(world, liar):
    """Have the authority grant a node the role of storage alone; it goes on claiming all."""
    one = world.machines[0].node
    await one.catalogue.write(one.roster.enter(liar.id, world.authority, ("storage",), ""))
    told = lambda: all(  # noqa: E731
        machine.node.members.alive()[liar.id].info.roles == ("storage",)
        for machine in world.up()
        if machine is not liar
    )
    assert await world.until(told, BUDGET_S) is not None


def test_what_was_not_granted_is_not_taken():
    world = Invited(21, 3, Setup())

    async def story():
        await stand(world)
        one, two, liar = world.machines
        await narrow(world, liar)
        assert liar.node.members.alive()[liar.id].info.roles == ALL_ROLES, "what it says of itself"
        honest, refused = one.node, one.node.grants.refused

        # What is meant for a role is not sent to it.
        for actor, message, answer in (
            ("recorder", ListRecordings(), Recordings),
            ("recordings", StopRecording(CAMERA), TakeIs),
            ("proxy", AddCamera("test://", ""), CameraAdded),
        ):
            with pytest.raises(Refused, match="was not granted the role"):
                await honest.system.ask(liar.id, actor, message, answer)
        assert (refused["proxy"], refused["daemon"]) >= (2, 1)

        # What only a role may say is not taken from it.
        before = dict(refused)
        for actor, message, answer in (
            ("jobs", AskJobs((("frames", "any"),), 1), Leases),
            ("recordings", HoldRecording(CAMERA, ASSET, 1, 0, 0), RecordingHeld),
        ):
            with pytest.raises(Refused, match="was not granted the role"):
                await liar.node.system.ask(one.id, actor, message, answer)
        assert refused["encoder"] > before["encoder"]
        assert refused["daemon"] > before["daemon"]

        # Its live tracks lead nowhere, until it is granted the role.
        liar.node.live.announce(f"{CAMERA}/main", lambda _: None)
        two.node.live.announce(f"{ASSET}/main", lambda _: None)
        seen = lambda: f"{ASSET}/main" in honest.live.tracks()  # noqa: E731
        assert await world.until(seen, BUDGET_S) is not None
        assert f"{CAMERA}/main" not in honest.live.tracks()
        assert f"{CAMERA}/main" not in two.node.live.tracks()

        # Its vectors are in nobody's index; the same ones of another are.
        vector = {"model": "m", "vector": b"\x00\x00\x80?" * 4, "at_ms": 1}
        await liar.node.catalogue.write(Change("vectors", ASSET, "m/000000000001", set=vector))
        await asyncio.sleep(15)
        assert not honest.shards.sizes()
        assert not two.node.shards.sizes()
        await two.node.catalogue.write(Change("vectors", ASSET, "m/000000000002", set={**vector, "at_ms": 2}))
        indexed = lambda: any(machine.node.shards.sizes() == {"m": 1} for machine in (one, two))  # noqa: E731
        assert await world.until(indexed, BUDGET_S) is not None

        await one.node.catalogue.write(one.node.roster.enter(liar.id, world.authority, ALL_ROLES, ""))
        taken = lambda: f"{CAMERA}/main" in honest.live.tracks()  # noqa: E731
        assert await world.until(taken, BUDGET_S) is not None
        assert honest.members.alive()[liar.id].info.roles == ALL_ROLES

    world.run(story)


def test_whoever_overwrites_its_entry_gains_nothing_by_it():
    world = Invited(22, 3, Setup())

    async def story():
        await stand(world)
        _, two, liar = world.machines
        await narrow(world, liar)
        await world.on(
            liar, lambda node: node.catalogue.write(Change("roster", liar.id, set={"sealed": b"all of them"}))
        )
        await asyncio.sleep(5)
        world.crash(two)
        await world.boot(two)
        assert await world.until(lambda: liar.id in two.node.members.alive(), BUDGET_S) is not None
        for _ in range(100):
            assert set(two.node.members.alive()[liar.id].info.roles) <= {"storage"}
            await asyncio.sleep(0.1)
        # Who can admit writes the entry again, so that it is known to those who start later.
        again = lambda: liar.id in two.node.roster.members()  # noqa: E731
        assert await world.until(again, 2 * BUDGET_S) is not None
        assert two.node.roster.members()[liar.id].roles == ("storage",)

    world.run(story)
