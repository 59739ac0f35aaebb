"""Sessions that any node checks alone, and that end on all of them."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.actors.access import ENDED_KEPT_MS, Access
from mesh.core.access import SESSION_LIFE_S, Denied, Role
from mesh.core.rows import Row
from proto.ids import MeshId, node_id_of
from simulations.world.entropy import SeededEntropy
from simulations.world.executor import InlineExecutor


class Rows:
    """The mesh tables, as whole on one node as on another."""

    def __init__(self):
        self.kept = {}

    async def write(self, *changes):
        for change in changes:
            if change.delete:
                self.kept.pop((change.table, change.pk), None)
            else:
                before = self.kept.get((change.table, change.pk))
                fields = {**(before.fields if before else {}), **change.set}
                self.kept[change.table, change.pk] = Row(change.table, change.pk, "", fields, {}, 0)
        return ""

    async def get(self, table, pk, sk=""):
        return self.kept.get((table, pk))

    async def rows_of(self, table):
        return [row for (of, _), row in self.kept.items() if of == table]


class Plain:
    """Passwords that are quick to check."""

    DUMMY = "nothing"

    def hash_password(self, password):
        return f"hashed {password}"

    def password_fits(self, hashed, password):
        return hashed == f"hashed {password}"


class Clock:
    now_s = 1_800_000_000.0

    def wall(self):
        return self.now_s

    def monotonic(self):
        return self.now_s


def doors(number=2):
    """Give the doorkeepers of nodes of one mesh, with their tables and their clock."""
    rows, clock = Rows(), Clock()

    def door(seed):
        key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        node = node_id_of(key.public_key().public_bytes_raw())
        entropy, executor = SeededEntropy(seed, "access"), InlineExecutor()
        return Access(MeshId("m" * 26), node, key.sign, lambda _: None, rows, Plain(), clock, entropy, executor)

    return [door(seed) for seed in range(1, number + 1)], rows, clock


PASSWORD = "a long enough one"


def test_who_signs_out_is_out_on_every_node_and_other_sessions_stay():
    async def work():
        (one, other), _, clock = doors()
        await one.add_user("ann", PASSWORD, Role.VIEWER)
        phone = await one.sign_in("ann", PASSWORD)
        clock.now_s += 1
        desk = await other.sign_in("ann", PASSWORD)
        assert (await other.whose_session(phone)).user == "ann"
        await one.end_session(phone)
        for door in (one, other):
            with pytest.raises(Denied, match="ended"):
                await door.whose_session(phone)
            assert (await door.whose_session(desk)).user == "ann"

    asyncio.run(work())


def test_another_spelling_of_an_ended_session_is_ended_too():
    async def work():
        (door, *_), _, _ = doors(1)
        await door.add_user("ann", PASSWORD, Role.VIEWER)
        session = await door.sign_in("ann", PASSWORD)
        spelt = [f"{session}=", f"{session[:10]}\n{session[10:]}", session.replace("-", "+").replace("_", "/")]
        await door.end_session(session)
        for text in spelt:
            with pytest.raises(Denied):
                await door.whose_session(text)

    asyncio.run(work())


def test_only_a_session_of_this_mesh_can_be_ended():
    async def work():
        (door, *_), rows, _ = doors(1)
        await door.add_user("ann", PASSWORD, Role.VIEWER)
        session = await door.sign_in("ann", PASSWORD)
        for text in ("", "x" * 3000, session[:-4] + "AAAA"):
            with pytest.raises(Denied):
                await door.end_session(text)
        assert not await rows.rows_of("ended_sessions")

    asyncio.run(work())


def test_ends_are_forgotten_when_the_sessions_would_be_over():
    async def work():
        (door, *_), rows, clock = doors(1)
        await door.add_user("ann", PASSWORD, Role.VIEWER)
        for _ in range(3):
            clock.now_s += 1
            await door.end_session(await door.sign_in("ann", PASSWORD))
        assert len(await rows.rows_of("ended_sessions")) == 3
        clock.now_s += SESSION_LIFE_S + ENDED_KEPT_MS / 1000 + 1
        await door.end_session(await door.sign_in("ann", PASSWORD))
        assert len(await rows.rows_of("ended_sessions")) == 1

    asyncio.run(work())
