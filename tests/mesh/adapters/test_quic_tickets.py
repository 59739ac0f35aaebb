"""Tickets over real QUIC: who is let in, what is refused and logged, and that nothing is said to the wrong node."""

import asyncio

import pytest

from mesh.actors.tickets import TicketBook
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.adapters.quic import joining, strangers
from mesh.adapters.quic.gate import ALPN_TICKET, CODE_MALFORMED, CODE_REFUSED
from mesh.adapters.tables import SqliteTables
from mesh.core.identity import Newcomer, NodeIdentity, check_redeeming, node_of_seed, redeeming
from mesh.ports import Refused, Unavailable
from proto import codec
from proto.frames import pack_frame
from proto.messages.identity import Redeemed
from tests.mesh.adapters.quic_world import AUTHORITY, STRANGERS, proof_frame, run, until

SECRET = b"t" * 16
NOW_S = 1_800_000_000.0


class Admitting:
    """A node of the test mesh with a book of tickets."""

    def __init__(self, mesh, folder):
        self.mesh = mesh
        self.tables = SqliteTables(folder / "node.db")
        self.book = TicketBook(self.tables)
        self.now_s = NOW_S

    async def open(self, **more):
        await self.book.open()
        await self.book.add(SECRET, ("proxy",), int(NOW_S) + 600, NOW_S)
        self.node = await self.mesh.node(**more)
        self.node.network.redeem = self.redeem
        return self

    async def redeem(self, said, nonce):
        node = check_redeeming(said, AUTHORITY.mesh, self.node.id, nonce)

        def admit(roles):
            entry = AUTHORITY.roster_entry(node, roles, said.zone, 1 << 50)
            return Redeemed(AUTHORITY.admit(node, self.now_s), AUTHORITY.certificate(), entry)

        return await self.book.redeem(said.ticket, node, self.now_s, admit)


async def ask(at, seed, *, secret=SECRET, server=None, authority=AUTHORITY):
    newcomer = Newcomer(seed, authority.certificate())
    server = server or at.id
    say = lambda nonce: redeeming(seed, authority.mesh, server, nonce, secret, "")  # noqa: E731
    return await joining.redeem(newcomer, server, [at.host], say, SystemClock(), SystemEntropy())


def new_seed():
    return SystemEntropy().token(32)


def warned(logs):
    return [entry["reason"] for entry in logs if entry["event"] == "peer refused" and entry["log_level"] == "warning"]


def test_a_ticket_makes_a_member_that_proves_itself_to_all(tmp_path):
    async def case(mesh):
        admitting, other, seed = await Admitting(mesh, tmp_path).open(), await mesh.node(), new_seed()
        given = await ask(admitting.node, seed)
        joined = await mesh.node(NodeIdentity(seed, given.certificate, given.authority))
        await joined.network.dial(other.host, other.id)
        assert (await ask(admitting.node, seed)) == given
        assert not admitting.node.handler.ups, "redeeming is no link"
        await until(lambda: not admitting.node.gates)

    run(case)


def test_another_key_an_unknown_and_an_expired_ticket_are_refused_and_logged(tmp_path):
    async def case(mesh):
        admitting = await Admitting(mesh, tmp_path).open()
        with pytest.raises(Refused, match="made no such ticket"):
            await ask(admitting.node, new_seed(), secret=b"u" * 16)
        admitting.now_s += 601
        with pytest.raises(Refused, match="expired"):
            await ask(admitting.node, new_seed())
        admitting.now_s -= 601
        await ask(admitting.node, new_seed())
        with pytest.raises(Refused, match="let another machine in"):
            await ask(admitting.node, new_seed())

    reasons = " ".join(warned(run(case)))
    for told in ("no such ticket", "expired", "let another machine in"):
        assert told in reasons


def test_of_many_at_once_a_ticket_lets_in_one(tmp_path):
    async def case(mesh):
        admitting = await Admitting(mesh, tmp_path).open()
        answers = await asyncio.gather(*(ask(admitting.node, new_seed()) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(answer, Redeemed) for answer in answers) == 1
        assert all(isinstance(answer, Redeemed | Refused) for answer in answers)

    run(case)


def test_who_was_let_in_is_known_after_a_restart(tmp_path):
    async def case(mesh):
        admitting, seed = await Admitting(mesh, tmp_path).open(), new_seed()
        given = await ask(admitting.node, seed)
        admitting.tables.close()
        book = TicketBook(SqliteTables(tmp_path / "node.db"))
        await book.open()
        never = lambda roles: pytest.fail("nothing is signed anew")  # noqa: E731
        assert await book.redeem(SECRET, node_of_seed(seed), NOW_S + 9999, never) == given
        with pytest.raises(Refused, match="another machine"):
            await book.redeem(SECRET, node_of_seed(new_seed()), NOW_S, never)

    run(case)


def test_a_ticket_is_told_to_nobody_but_the_node_it_names(tmp_path):
    async def case(mesh):
        admitting = await Admitting(mesh, tmp_path).open()
        other = await mesh.node()
        other.network.redeem = lambda said, nonce: pytest.fail("the secret was said")
        with pytest.raises(Refused, match="TLS does not accept"):
            await ask(other, new_seed(), server=admitting.node.id)
        with pytest.raises(Refused, match="TLS does not accept"):
            await ask(admitting.node, new_seed(), authority=STRANGERS)

    run(case)


def test_a_node_that_admits_nobody_does_not_speak_of_tickets():
    async def case(mesh):
        node = await mesh.node()
        with pytest.raises((Refused, Unavailable)):
            await ask(node, new_seed())

    run(case)


def test_what_was_said_on_one_connection_is_worth_nothing_on_another(tmp_path):
    async def case(mesh):
        admitting, seed = await Admitting(mesh, tmp_path).open(), new_seed()
        node = admitting.node
        first = await mesh.stranger(node, ALPN_TICKET)
        said = redeeming(seed, AUTHORITY.mesh, node.id, (await first.challenge()).nonce, SECRET, "")
        second = await mesh.stranger(node, ALPN_TICKET)
        await second.challenge()
        second.say(pack_frame(codec.encode(said)))
        assert await second.closed() == (CODE_REFUSED, "the signature is not the newcomer's")
        first.say(pack_frame(codec.encode(said)))
        await first.until(lambda: len(first.frames) > 1)
        assert codec.decode(Redeemed, first.frames[1]).authority == AUTHORITY.certificate()

    assert "the signature is not the newcomer's" in warned(run(case))


@pytest.mark.parametrize("said", [pack_frame(b"\x80"), pack_frame(b"\xff" * 99), b"\xff\xff\xff\xff", pack_frame(b"")])
def test_what_is_no_redeeming_ends_the_connection(tmp_path, said):
    async def case(mesh):
        admitting = await Admitting(mesh, tmp_path).open()
        stranger = await mesh.stranger(admitting.node, ALPN_TICKET)
        await stranger.challenge()
        stranger.say(said)
        code, reason = await stranger.closed()
        assert code == CODE_MALFORMED
        assert reason.startswith("no redeeming")
        await until(lambda: not admitting.node.gates)

    run(case)


def test_a_proof_is_no_ticket(tmp_path):
    async def case(mesh):
        admitting = await Admitting(mesh, tmp_path).open()
        member = await mesh.node()
        stranger = await mesh.stranger(admitting.node, ALPN_TICKET)
        nonce = (await stranger.challenge()).nonce
        stranger.say(proof_frame(member.identity, admitting.node.id, nonce))
        assert (await stranger.closed())[0] == CODE_MALFORMED
        assert not admitting.node.network.links()

    run(case)


def test_one_host_tries_few_tickets(monkeypatch, tmp_path):
    monkeypatch.setattr(strangers, "REDEMPTIONS_BURST", 3.0)
    monkeypatch.setattr(strangers, "REDEMPTIONS_A_SECOND", 0.0)

    async def case(mesh):
        admitting = await Admitting(mesh, tmp_path).open()
        for number in range(3):
            with pytest.raises(Refused, match="no such ticket"):
                await ask(admitting.node, new_seed(), secret=bytes([number]) * 16)
        with pytest.raises(Refused, match="too many tickets"):
            await ask(admitting.node, new_seed())

    run(case)


def test_a_host_that_begins_connections_without_end_is_ignored_for_a_while(monkeypatch):
    monkeypatch.setattr(strangers, "HANDSHAKES_BURST", 5.0)
    monkeypatch.setattr(strangers, "HANDSHAKES_A_SECOND", 0.0)

    async def case(mesh):
        node, other = await mesh.node(), await mesh.node()
        for _ in range(5):
            await (await mesh.stranger(node)).challenge()
        with pytest.raises(Unavailable):
            await other.network.dial(node.host, node.id, timeout_s=0.5)
        node.network._strangers.begun = strangers.Allowances()
        await other.network.dial(node.host, node.id)

    run(case)
