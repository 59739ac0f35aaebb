"""A mesh whose authority was renewed on two sides of a partition: what each side takes of the other's word."""

import asyncio
import itertools
from types import SimpleNamespace

import pytest
from places import Places

from mesh.actors.admission import Admission
from mesh.actors.roster import Roster
from mesh.actors.tombstones import Tombstones
from mesh.core.identity import Authority, NodeIdentity, node_of_seed
from mesh.core.lineage import revoking
from mesh.core.rows import Change, apply, merge
from proto import codec
from thatdam.sides import told

A = Authority(b"a" * 32)
ROLES = ("proxy", "storage")


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def monotonic(self):
        return self.now_s

    def wall(self):
        return 1_795_000_000.0 + self.now_s


class Entropy:
    def __init__(self, me):
        self.me, self.count = me, itertools.count()

    def token(self, size):
        return f"{self.me}{next(self.count)}".encode().ljust(size, b".")[:size]


class Rows:
    """The mesh tables of one node, and what it wrote."""

    stamps = itertools.count(1)

    def __init__(self, me):
        self.me, self.entries, self.watchers, self.written = me, {}, {}, 0

    async def every(self, table):
        return [entry for key, entry in sorted(self.entries.items()) if key[0] == table]

    def watch(self, table, handler):
        self.watchers[table] = handler

    async def write(self, *changes):
        for change in changes:
            self.written += 1
            key = (change.table, change.pk, change.sk)
            self.take(apply(self.entries.get(key), change, (next(self.stamps), self.me)))

    def take(self, entry):
        standing = self.entries.get(entry.key)
        merged = entry if standing is None else merge(standing, entry)
        if merged == standing:
            return
        self.entries[entry.key] = merged
        if entry.table in self.watchers:
            self.watchers[entry.table](merged)


class Papers:
    def __init__(self):
        self.kept = {}

    async def keep(self, identity):
        pass

    async def keep_authority(self, seed):
        made = Authority(seed, A.mesh)
        self.kept[made.certificate()] = made

    async def authority_of(self, certificate):
        return self.kept.get(certificate)


class Machine:
    """A node's roster and admission over rows that it exchanges when it is told to."""

    def __init__(self, name):
        self.name, self.seed = name, name.ljust(32).encode()
        self.id = node_of_seed(self.seed)
        self.rows, self.places, self.papers = Rows(self.id), Places(), Papers()
        self.clock = Clock()
        self.identity = NodeIdentity(self.seed, A.admit(self.id, 0.0), A.certificate())
        self.authority = A

    async def start(self):
        tombstones = Tombstones(self.places, self.places)
        self.roster = Roster(A.mesh, self.identity.authority, self.clock, tombstones)
        await self.roster.open(self.rows)
        self.tombstones = tombstones
        self.admission = Admission(
            SimpleNamespace(node_id=self.id),
            None,
            self.rows,
            self.roster,
            self.identity,
            self.authority,
            self.papers,
            lambda _: None,
            lambda: (),
            lambda: (),
            self.clock,
            Entropy(self.name),
        )
        self.roster.watch_authority(self.admission._on_authority)

    async def restart(self):
        await self.tombstones.keep()
        self.identity, self.authority = self.admission.identity, None
        self.rows.watchers.clear()
        await self.start()

    async def look(self):
        """Do once what a node does every minute."""
        if self.admission._authority is None:
            self.admission._authority = await self.papers.authority_of(self.roster.authority)
        await self.admission._say_whether_it_admits()

    def revoked(self):
        return {MACHINES[node] for node in self.roster.tombstones()}


MACHINES = {node_of_seed(name.ljust(32).encode()): name for name in ("one", "two", "three", "four", "five", "six")}


async def mesh(*names, holders=("one", "two", "three", "four")):
    made = [Machine(name) for name in names]
    for machine in made:
        await machine.start()
        await machine.rows.write(machine.roster.enter(machine.id, A, ROLES, ""))
        if machine.name in holders:
            sealed = codec.encode(A.holder(machine.id))
            await machine.rows.write(Change("holders", machine.id, set={"sealed": sealed, "holds": True}))
        else:
            machine.admission._authority = None
    meet(*made)
    assert all(len(machine.roster.members()) == len(names) for machine in made)
    return made


def meet(*machines):
    for one, other in itertools.permutations(machines, 2):
        for entry in list(one.rows.entries.values()):
            other.rows.take(entry)


async def grant(one, other):
    seed = one.admission._authority.seed
    await other.admission._take_authority(seed, one.id)
    await other.look()


async def parted(*names):
    """Give a mesh whose halves have renewed the authority each for itself, and have heard of each other since."""
    made = await mesh(*names)
    half = len(made) // 2
    for side in (made[:half], made[half:]):
        await side[0].admission.renew_authority()
        meet(*side)
    meet(*made)
    for machine in made:
        await machine.look()
    meet(*made)
    return made


def sentences(machine, authorities=None):
    return list(told(machine.roster, authorities or {}, MACHINES.get, machine.id))


def test_whom_either_side_revokes_is_out_on_both():
    async def story():
        one, two, three, four = made = await mesh("one", "two", "three", "four")
        await one.admission.revoke(two.id, "stolen")
        await three.admission.revoke(four.id, "lost")
        meet(one, two)
        meet(three, four)
        assert one.roster.authority != three.roster.authority
        meet(*made)
        assert [machine.revoked() for machine in (one, three)] == [{"two", "four"}] * 2
        for machine in (one, three):
            await machine.restart()
            assert machine.revoked() == {"two", "four"}

    asyncio.run(story())


def test_a_node_revoked_later_by_one_side_is_out_on_the_other_also_after_it_was_started_again():
    async def story():
        one, five, _, three, six, _ = made = await parted("one", "five", "two", "three", "six", "four")
        for machine in made:
            await machine.restart()
        for machine in (one, three):
            await machine.look()
        await one.admission.revoke(six.id, "lost")
        await three.admission.revoke(five.id, "stolen")
        meet(*made)
        assert all(machine.revoked() == {"five", "six"} for machine in made)
        # Who comes later has it from those who can admit on its side.
        await one.look()
        key = one.admission._authority.public_key.hex()
        assert ("revocations", five.id, key) in one.rows.entries

    asyncio.run(story())


def test_a_node_revoked_by_one_side_before_it_heard_of_the_other_s_authority_is_out_on_both():
    async def story():
        one, two, three, four, five = made = await mesh("one", "two", "three", "four", "five")
        await three.admission.renew_authority()
        meet(three, four)
        done = await one.admission.revoke(five.id, "stolen")
        assert not done.renewed
        meet(one, two)
        meet(*made)
        assert [machine.revoked() for machine in (one, two, three, four)] == [{"five"}] * 4
        assert one.roster.authority == three.roster.authority
        assert not any(sentences(machine) for machine in made)

    asyncio.run(story())


def test_each_goes_on_with_the_first_it_heard_of_and_people_are_told_whom_the_other_side_has():
    async def story():
        one, two, three, four = await parted("one", "two", "three", "four")
        assert one.roster.authority == two.roster.authority != three.roster.authority == four.roster.authority
        assert one.roster.beside() == (three.roster.authority,)
        [said] = sentences(one)
        assert "three goes by the other one" in said
        [said] = sentences(one, {four.id: four.roster.goes_by(), two.id: two.roster.goes_by()})
        assert "four and three go by the other one" in said or "three and four go by the other one" in said
        assert "`thatdam up --join TICKET`" in said
        assert "one goes by the other one" in sentences(four)[0]
        await one.restart()
        assert one.roster.beside() == (three.roster.authority,)
        assert sentences(one)
        # Word of it is kept beside the table, whose rows any member can overwrite.
        one.rows.entries = {key: entry for key, entry in one.rows.entries.items() if key[0] != "authorities"}
        await one.restart()
        assert one.roster.beside() == (three.roster.authority,)

    asyncio.run(story())


def test_nothing_is_said_of_a_succession_that_went_right():
    async def story():
        one, two, three, _ = made = await mesh("one", "two", "three", "four")
        await one.admission.revoke(three.id, "stolen")
        meet(*made)
        await grant(one, two)
        await two.admission.renew_authority()
        meet(*made)
        assert not any(sentences(machine) or machine.roster.beside() for machine in made)

    asyncio.run(story())


THIEVES = {
    "nobody vouches": lambda machines: None,
    "one who could not admit": lambda machines: machines["five"],
    "one who was revoked": lambda machines: machines["four"],
    "a stranger": lambda machines: Machine("six"),
}


@pytest.mark.parametrize("thief", THIEVES.values(), ids=THIEVES)
def test_whoever_stole_the_former_authority_ends_nobody(thief):
    async def story():
        made = await mesh("one", "two", "three", "four", "five")
        one, two, three, four, _ = made
        await one.admission.revoke(four.id, "it was the thief's")
        meet(*made)
        by = thief({machine.name: machine for machine in made})
        own = Authority(b"t" * 32, A.mesh)
        succession = codec.encode(A.succession(own.certificate()))
        changes = [Change("authorities", A.public_key.hex(), own.public_key.hex(), set={"sealed": succession})]
        for victim in (one, two, three):
            said = {"sealed": codec.encode(own.tombstone(victim.id, "so there"))}
            if by is not None:
                content = revoking(A.mesh, victim.id, by.id, own.public_key)
                said |= {"by": by.id, "vouched": by.identity.sign(content)}
            changes.append(Change("revocations", victim.id, own.public_key.hex(), set=said))
        before = one.roster.authority
        await two.rows.write(*changes)
        meet(*made)
        for machine in (one, two, three):
            assert machine.revoked() == {"four"}
            assert machine.roster.authority == before
            [said] = sentences(machine)
            assert "was revoked" in said or "were revoked" in said
            assert "not done here" in said

    asyncio.run(story())


def test_a_word_for_one_tombstone_is_none_for_another():
    async def story():
        made = await parted("one", "two", "three", "four")
        one, two, three, _ = made
        content = revoking(A.mesh, two.id, three.id, b"k" * 32)
        sealed = codec.encode(three.admission._authority.tombstone(two.id, ""))
        said = {"sealed": sealed, "by": three.id, "vouched": three.identity.sign(content)}
        key = three.admission._authority.public_key.hex()
        await three.rows.write(Change("revocations", two.id, key, set=said))
        meet(*made)
        assert not one.revoked()
        assert two.id in one.roster.alleged()

    asyncio.run(story())


def test_two_who_revoke_each_other_are_each_out_on_the_other_s_side():
    async def story():
        one, two, three, four = made = await mesh("one", "two", "three", "four")
        await one.admission.revoke(three.id, "stolen")
        await three.admission.revoke(one.id, "stolen")
        meet(one, two)
        meet(three, four)
        meet(*made)
        assert one.revoked() == two.revoked() == {"three"}
        assert three.revoked() == four.revoked() == {"one"}
        assert "says that one was revoked" in sentences(two)[0]

    asyncio.run(story())


def test_one_revoked_there_that_was_let_admit_here_takes_another_authority():
    async def story():
        one, two, three, four = made = await mesh("one", "two", "three", "four")
        await three.admission.revoke(two.id, "stolen")
        await one.admission.renew_authority()
        meet(one, two)
        meet(three, four)
        await grant(one, two)
        meet(*made)
        assert one.revoked() == {"two"}
        told_of = [said for said in sentences(one) if "can admit on this one" in said]
        assert len(told_of) == 1
        before = one.roster.authority
        done = await one.admission.revoke(two.id, "")
        assert done.renewed
        assert one.roster.authority != before
        assert not [said for said in sentences(one) if "can admit on this one" in said]
        assert (await one.admission.revoke(two.id, "")).already

    asyncio.run(story())


def test_the_sides_do_not_overwrite_each_other_for_ever():
    async def story():
        made = await parted("one", "two", "three", "four")
        for _ in range(3):
            for machine in made:
                await machine.look()
            meet(*made)
        before = [machine.rows.written for machine in made]
        for _ in range(10):
            for machine in made:
                await machine.look()
            meet(*made)
        assert [machine.rows.written for machine in made] == before
        for machine in made:
            await machine.restart()
            assert len(machine.roster.members()) == len(made)
            machine.clock.now_s += 3600.0
            assert all(machine.roster.listed(other.id) for other in made)

    asyncio.run(story())


def test_what_one_hears_from_anybody_makes_it_follow_nobody():
    async def story():
        one, two, three, _ = made = await mesh("one", "two", "three", "four")
        await three.admission.renew_authority()
        assert not one.roster.hear(three.roster.line())
        assert one.roster.authority == A.certificate()
        await one.admission.renew_authority()
        meet(one, two)
        assert two.roster.hear(three.roster.line())
        assert not two.roster.hear(three.roster.line())
        assert two.roster.authority == one.roster.authority
        assert two.roster.beside() == (three.roster.authority,)
        stranger, other = (Authority(seed * 32, A.mesh) for seed in (b"s", b"o"))
        assert not one.roster.hear(((stranger.public_key, stranger.succession(other.certificate())),))
        assert not one.roster.hear(((A.public_key, stranger.succession(other.certificate())),))
        meet(*made)

    asyncio.run(story())
