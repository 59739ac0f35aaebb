"""Nobody gets in by being on the network: what a node's QUIC refuses, and how little it does for a stranger."""

import asyncio
import datetime
import os
import socket
import tracemalloc

import pytest
import structlog
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from mesh.adapters.clock import SystemEntropy
from mesh.adapters.quic import gate, link, strangers
from mesh.adapters.quic.gate import ALPN_ID, CODE_MALFORMED, CODE_REFUSED, NONCE_LIFE_S, UNPROVEN_WINDOWS
from mesh.core import identity as core_identity
from mesh.core.identity import PROOF_LABEL, VERSIONS, NodeIdentity
from mesh.ports import Channel, Flow, Refused, RefusedHere, Unavailable
from proto import codec
from proto.frames import FRAME_BYTES_MAX, PROOF_FRAME_BYTES_MAX, pack_frame
from proto.messages.identity import NONCE_BYTES, Challenge, IdAnswer, Proof, ProofContent
from tests.mesh.adapters.quic_world import STRANGERS, ShiftedClock, identity, proof_frame, run, until

YEARS_S = 10 * 365 * 86400


def warned(logs, text):
    return [entry for entry in logs if entry["event"] == text and entry["log_level"] == "warning"]


async def refused(mesh, at, expected, /, **changed):
    """Have a stranger prove itself with something changed; it must be told why not."""
    me = changed.pop("me", None) or identity()
    stranger = await mesh.stranger(at)
    await stranger.prove(me, at.id, **changed)
    assert await stranger.closed() == (CODE_REFUSED, expected)
    assert not at.network.links()
    assert not at.handler.ups
    await until(lambda: not at.gates)


# ---------------------------------------------------------------- who is let in


def test_a_stranger_that_proves_itself_is_let_in():
    async def case(mesh):
        node, me = await mesh.node(), identity()
        stranger = await mesh.stranger(node)
        await stranger.prove(me, node.id)
        await stranger.welcome()
        assert list(node.network.links()) == [me.node]

    run(case)


def test_a_peer_without_a_certificate_is_refused_and_told_so():
    async def case(mesh):
        await refused(mesh, await mesh.node(), "not a certificate", certificate=b"")

    logs = run(case)
    entry = warned(logs, "peer refused")[0]
    assert entry["reason"] == "not a certificate"
    assert entry["address"].startswith("127.0.0.1:")


def test_a_peer_of_another_mesh_is_refused():
    async def case(mesh):
        me = identity(authority=STRANGERS)
        await refused(mesh, await mesh.node(), "the certificate is not from this mesh's authority", me=me)

    run(case)


def test_a_node_of_another_mesh_is_not_dialled_either():
    async def case(mesh):
        one, other = await mesh.node(), await mesh.node(identity(authority=STRANGERS))
        with pytest.raises(Refused, match="another mesh"):
            await one.network.dial(other.host)
        with pytest.raises(Refused, match="TLS does not accept"):
            await one.network.dial(other.host, other.id)
        assert not one.handler.ups + other.handler.ups

    run(case)


def test_another_nodes_certificate_lets_nobody_in():
    async def case(mesh):
        node, owner, thief = await mesh.node(), identity(), identity(authority=STRANGERS)
        await refused(mesh, node, "the certificate is another node's", me=thief, certificate=owner.certificate)
        await refused(
            mesh, node, "the proof's signature is wrong", me=thief, certificate=owner.certificate, node=owner.node
        )

    run(case)


def test_a_server_with_another_nodes_certificate_is_not_believed():
    async def case(mesh):
        victim, forged = identity(), identity()
        object.__setattr__(forged, "certificate", victim.certificate)
        one, thief = await mesh.node(), await mesh.node(forged)
        with pytest.raises((Refused, Unavailable)):
            await one.network.dial(thief.host, victim.node, timeout_s=2.0)
        assert not one.handler.ups

    run(case)


def test_an_expired_certificate_is_refused():
    async def case(mesh):
        clock = ShiftedClock(YEARS_S)
        node = await mesh.node(clock=clock)
        ended, today = (
            datetime.datetime.fromtimestamp(at_s, datetime.UTC).date()
            for at_s in (node.identity.ends_s(node.identity.certificate), clock.wall())
        )
        await refused(mesh, node, f"the certificate has expired: it ended on {ended}, and here it is {today}")

    run(case)


def test_an_expired_server_is_not_believed(monkeypatch):
    monkeypatch.setattr(core_identity, "RELEASED_S", -core_identity.CERTIFICATE_LIFE_S)
    old = identity()
    monkeypatch.undo()

    async def case(mesh):
        one, expired = await mesh.node(), await mesh.node(old)
        with pytest.raises(Refused, match="TLS does not accept"):
            await one.network.dial(expired.host, expired.id)
        assert not one.handler.ups + expired.handler.ups

    run(case)


def test_a_revoked_node_is_refused_with_the_reason_both_ways():
    async def case(mesh):
        gone = await mesh.node()
        node = await mesh.node(accepts=lambda peer: "it was stolen" if peer == gone.id else None)
        with pytest.raises(Refused, match="it was stolen"):
            await gone.network.dial(node.host, node.id)
        with pytest.raises(Refused, match="it was stolen"):
            await node.network.dial(gone.host, gone.id)
        await refused(mesh, node, "it was stolen", me=gone.identity)

    logs = run(case)
    assert warned(logs, "peer refused")[0]["claimed"]


def test_a_node_that_speaks_no_common_version_is_told_so():
    async def case(mesh):
        node, me = await mesh.node(), identity()
        stranger = await mesh.stranger(node)
        nonce = (await stranger.challenge()).nonce
        content = ProofContent(PROOF_LABEL, me.mesh, node.id, me.node, nonce, (7, 9), VERSIONS)
        signature = me.sign(codec.encode(content))
        stranger.say(proof_frame(me, node.id, nonce, version_min=7, version_max=9, signature=signature))
        assert await stranger.closed() == (CODE_REFUSED, "speaks versions 7 to 9 only")

    run(case)


# ---------------------------------------------------------------- nonces


def test_a_proof_is_good_on_its_own_connection_only():
    async def case(mesh):
        node, me = await mesh.node(), identity()
        first = await mesh.stranger(node)
        proof = proof_frame(me, node.id, (await first.challenge()).nonce)
        second = await mesh.stranger(node)
        assert (await second.challenge()).nonce != (await first.challenge()).nonce
        second.say(proof)
        assert await second.closed() == (CODE_REFUSED, "the proof's signature is wrong")
        first.say(proof)
        await first.welcome()

    run(case)


def test_a_nonce_that_a_member_forwards_is_worth_nothing():
    """The member in the middle is a real node of the mesh, and its victim dials it in good faith."""

    class Forwarding(SystemEntropy):
        nonce = b""

        def token(self, size):
            return self.nonce if size == NONCE_BYTES and self.nonce else super().token(size)

    class Keeping(NodeIdentity):
        def check(self, proof, nonce, now_s):
            taken.append(proof)
            return super().check(proof, nonce, now_s)

    taken = []

    async def case(mesh):
        target, victim, own, entropy = await mesh.node(), await mesh.node(), identity(), Forwarding()
        middle = await mesh.node(Keeping(own.seed, own.certificate, own.authority), entropy=entropy)
        stranger = await mesh.stranger(target)
        entropy.nonce = (await stranger.challenge()).nonce
        await victim.network.dial(middle.host, middle.id)
        assert [proof.node for proof in taken] == [victim.id]
        stranger.say(pack_frame(codec.encode(taken[0])))
        assert await stranger.closed() == (CODE_REFUSED, "the proof's signature is wrong")
        assert not target.network.links()

    run(case)


# ---------------------------------------------------------------- the one frame

BAD_FRAMES = {
    "oversized": (PROOF_FRAME_BYTES_MAX + 1).to_bytes(4, "big"),
    "huge": b"\xff\xff\xff\xff",
    "empty": pack_frame(b""),
    "no CBOR": pack_frame(b"\xff" * 100),
    "another message": pack_frame(codec.encode(Challenge(bytes(32), 1, 1))),
    "a tagged message": pack_frame(codec.encode_tagged(Challenge(bytes(32), 1, 1))),
    "nested": pack_frame(b"\x81" * 3000 + b"\x00"),
    "two frames": pack_frame(b"\x80") * 2,
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_what_is_no_proof_frame_ends_the_connection(name):
    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node)
        await stranger.challenge()
        stranger.say(BAD_FRAMES[name])
        code, reason = await stranger.closed()
        assert code == CODE_MALFORMED
        assert reason.startswith("no proof: ")
        await until(lambda: not node.gates and not node.carriers)

    assert warned(run(case), "peer refused")


def test_a_half_sent_frame_that_ends_is_refused_at_once():
    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node)
        await stranger.challenge()
        stranger.say(b"\x00\x00\x01\x00half", end=True)
        assert await stranger.closed() == (CODE_MALFORMED, "no proof: a proof is one frame")

    run(case)


@pytest.mark.parametrize("said", [b"", b"\x00", b"\x00\x00\x01\x00half"])
def test_a_nonce_dies_after_a_while(monkeypatch, said):
    assert NONCE_LIFE_S == 5.0
    monkeypatch.setattr(gate, "NONCE_LIFE_S", 0.5)

    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node)
        await stranger.challenge()
        if said:
            stranger.say(said)
        assert await stranger.closed() == (CODE_REFUSED, "no proof within 0.5 s")
        await until(lambda: not node.gates and not node.carriers)

    run(case)


def test_a_dialler_that_trickles_gets_no_more_time(monkeypatch):
    monkeypatch.setattr(gate, "NONCE_LIFE_S", 0.5)

    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node)
        nonce = (await stranger.challenge()).nonce
        for byte in proof_frame(identity(), node.id, nonce):
            if stranger.over:
                break
            stranger.say(bytes([byte]))
            await asyncio.sleep(0.02)
        assert await stranger.closed() == (CODE_REFUSED, "no proof within 0.5 s")

    run(case)


def test_a_handshake_that_stops_half_way_is_forgotten(monkeypatch):
    monkeypatch.setattr(gate, "NONCE_LIFE_S", 0.3)

    async def case(mesh):
        node = await mesh.node()
        for first in initials(3):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
                sending.sendto(first, node.host)
        await until(lambda: len(node.gates) == 3)
        await until(lambda: not node.gates and not node.carriers)

    run(case)


def test_a_proof_sent_twice_in_one_breath_is_refused():
    async def case(mesh):
        node, me = await mesh.node(), identity()
        stranger = await mesh.stranger(node)
        frame = proof_frame(me, node.id, (await stranger.challenge()).nonce)
        stranger.say(frame + frame)
        assert await stranger.closed() == (CODE_MALFORMED, "no proof: a proof is one frame")
        assert not node.handler.ups

    run(case)


def test_whatever_follows_the_proof_on_its_stream_ends_the_link():
    async def case(mesh):
        node, me = await mesh.node(), identity()
        stranger = await mesh.stranger(node)
        frame = proof_frame(me, node.id, (await stranger.challenge()).nonce)
        stranger.say(frame)
        stranger.say(frame)
        code, _ = await stranger.closed()
        assert code == CODE_MALFORMED
        await until(lambda: not node.network.links())

    run(case)


def test_extra_bytes_behind_the_proof_are_refused():
    async def case(mesh):
        node, me = await mesh.node(), identity()
        stranger = await mesh.stranger(node)
        stranger.say(proof_frame(me, node.id, (await stranger.challenge()).nonce) + b"\x00")
        assert await stranger.closed() == (CODE_MALFORMED, "no proof: a proof is one frame")

    run(case)


# ---------------------------------------------------------------- what an unproven peer may do


@pytest.mark.parametrize("unidirectional", [False, True])
def test_an_unproven_peer_may_open_no_stream(unidirectional):
    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node)
        await stranger.challenge()
        stranger.open(b"\x00" + pack_frame(b"hello"), unidirectional)
        _, reason = await stranger.closed()
        assert "stream" in reason.lower()
        assert not node.handler.frames + node.handler.streams
        await until(lambda: not node.carriers)

    run(case)


def test_datagrams_before_the_proof_go_to_the_bin():
    async def case(mesh):
        node, me = await mesh.node(), identity()
        stranger = await mesh.stranger(node)
        nonce = (await stranger.challenge()).nonce
        for _ in range(50):
            stranger.datagram(b"early")
        stranger.say(proof_frame(me, node.id, nonce))
        await stranger.welcome()
        await asyncio.sleep(0.05)
        stranger.datagram(b"late")
        await until(lambda: b"late" in node.handler.datagrams)
        assert b"early" not in node.handler.datagrams

    run(case)


def test_an_unproven_peer_is_not_buffered_for():
    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node)
        await stranger.challenge()
        # A frame within the bound, announced and never finished, and then as much as the dialler likes.
        tracemalloc.start()
        stranger.overfill(PROOF_FRAME_BYTES_MAX.to_bytes(4, "big") + bytes(1000))
        await asyncio.sleep(0.1)
        assert node.gates[0]._reader.buffered_bytes <= PROOF_FRAME_BYTES_MAX + 4
        stranger.overfill(bytes(4 << 20))
        await stranger.closed()
        tracemalloc.stop()
        await until(lambda: not node.carriers)
        assert UNPROVEN_WINDOWS.connection_bytes <= 8192

    run(case)


def test_nothing_but_the_one_proof_frame_is_parsed_before_it_is_checked(monkeypatch):
    parsed, order = [], []
    really_decode = codec.decode

    def spy(cls, data):
        parsed.append(cls)
        return really_decode(cls, data)

    class Checking(NodeIdentity):
        def check(self, proof, nonce, now_s):
            order.append(list(parsed))
            return super().check(proof, nonce, now_s)

    async def case(mesh):
        own, me = identity(), identity()
        node = await mesh.node(Checking(own.seed, own.certificate, own.authority))
        stranger = await mesh.stranger(node)
        nonce = (await stranger.challenge()).nonce
        frame = proof_frame(me, node.id, nonce)
        monkeypatch.setattr(codec, "decode", spy)
        for name in ("decode_tagged", "decode_value"):
            monkeypatch.setattr(codec, name, lambda *_: parsed.append("another decoder"))
        stranger.datagram(pack_frame(b"\x80"))
        for at in range(0, len(frame), 50):
            stranger.say(frame[at : at + 50])
            await asyncio.sleep(0.01)
        await until(lambda: node.network.links())
        assert order == [[Proof]]
        monkeypatch.undo()

    run(case)


# ---------------------------------------------------------------- the id question


def test_the_id_question_is_answered_with_one_message():
    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node, ALPN_ID)
        await stranger.until(lambda: 3 in stranger.heard)
        answer = stranger.heard[3]
        assert codec.decode(IdAnswer, answer[4:]) == IdAnswer(node.id, node.identity.mesh, node.network._life.token)
        assert list(stranger.heard) == [3]

    run(case)


def test_nothing_is_read_from_who_asks_for_the_id():
    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node, ALPN_ID)
        await stranger.until(lambda: 3 in stranger.heard)
        stranger.open(b"hello")
        await stranger.closed()
        await until(lambda: not node.carriers)

    run(case)


def test_who_asks_for_the_id_too_often_is_not_answered(monkeypatch):
    monkeypatch.setattr(strangers, "ANSWERS_A_SECOND", 0.0)
    monkeypatch.setattr(strangers, "ANSWERS_BURST", 3.0)

    async def case(mesh):
        node, other = await mesh.node(), await mesh.node()
        for _ in range(3):
            stranger = await mesh.stranger(node, ALPN_ID)
            await stranger.until(lambda stranger=stranger: 3 in stranger.heard)
            stranger.close()
        stranger = await mesh.stranger(node, ALPN_ID)
        assert await stranger.closed() == (gate.CODE_BUSY, "asked too often")
        assert 3 not in stranger.heard
        # Who knows the id needs not ask for it.
        await other.network.dial(node.host, node.id)

    run(case)


def test_the_hosts_counted_are_bounded(monkeypatch):
    monkeypatch.setattr(strangers, "ASKERS_MAX", 2)

    class Somewhere:
        def __init__(self, number):
            self.connection = self
            self.address = (f"10.0.0.{number}", 1)

    async def case(mesh):
        node = await mesh.node()
        assert all(node.network._may_answer(Somewhere(number)) for number in range(50))
        assert len(node.network._strangers.asked) == 2

    run(case)


def test_a_host_that_is_refused_again_and_again_does_not_fill_the_log(monkeypatch):
    monkeypatch.setattr(strangers, "WARNINGS_A_SECOND", 0.0)
    monkeypatch.setattr(strangers, "WARNINGS_BURST", 2.0)

    async def case(mesh):
        node = await mesh.node()
        for _ in range(5):
            await refused(mesh, node, "not a certificate", certificate=b"")

    logs = run(case)
    assert [entry["log_level"] for entry in logs if entry["event"] == "peer refused"] == [
        "warning",
        "warning",
        "debug",
        "debug",
        "debug",
    ]


@pytest.mark.parametrize("alpn", ["h3", "thatdam/2", "thatdam-ticket/1", ""])
def test_another_protocol_is_refused_in_the_handshake(alpn):
    async def case(mesh):
        node = await mesh.node()
        stranger = await mesh.stranger(node, alpn)
        await stranger.closed()
        assert not stranger.frames
        await until(lambda: not node.gates)

    run(case)


# ---------------------------------------------------------------- floods


def initials(count):
    """Give the first datagrams of so many handshakes, none of which goes on."""
    made = []
    for _ in range(count):
        quic = QuicConnection(configuration=QuicConfiguration(is_client=True, alpn_protocols=[gate.ALPN_MESH]))
        quic.connect(("127.0.0.1", 1), 0.0)
        made.append(quic.datagrams_to_send(0.0)[0][0])
    return made


def test_a_flood_of_handshakes_is_bounded_and_passes(monkeypatch):
    async def case(mesh):
        node, other = await mesh.node(), await mesh.node()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sent = initials(100)
            for first in sent:
                sending.sendto(first, node.host)
            await until(lambda: node.network._driver.received + node.network._driver.ignored >= len(sent))
            # From UNPROVEN_RETRY on, who does not show that its address is its own gets no state at all.
            assert len(node.gates) == len(node.carriers) == strangers.UNPROVEN_RETRY
            await other.network.dial(node.host, node.id)
            for one in node.gates:
                one._too_late()
        await until(lambda: not node.gates and len(node.carriers) == 1)

    run(case)


def test_one_host_cannot_hold_all_the_places(monkeypatch):
    monkeypatch.setattr(strangers, "UNPROVEN_RETRY", 1 << 10)

    async def case(mesh):
        node = await mesh.node()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sent = initials(60)
            for first in sent:
                sending.sendto(first, node.host)
            await until(lambda: node.network._driver.received + node.network._driver.ignored >= len(sent))
        assert len(node.gates) == len(node.carriers) == strangers.UNPROVEN_A_HOST_MAX < strangers.UNPROVEN_MAX

    run(case)


def test_noise_on_the_port_is_ignored():
    async def case(mesh):
        node, other = await mesh.node(), await mesh.node()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            for number in range(300):
                sending.sendto(os.urandom(1 + number * 4), node.host)
            for start in (b"\xc0", b"\xc0\x00\x00\x00\x01\xff", b"\x40", b"\x80" + bytes(1300), b"\xff" * 1300):
                sending.sendto(start, node.host)
        await other.network.dial(node.host, node.id)
        assert not node.gates

    logs = run(case)
    assert not [entry for entry in logs if entry["log_level"] == "error"]


# ---------------------------------------------------------------- a member that misbehaves


async def member(mesh, node):
    """Give a proven stranger, and its identity."""
    me = identity()
    stranger = await mesh.stranger(node)
    await stranger.prove(me, node.id)
    await stranger.welcome()
    await until(lambda: me.node in node.network.links())
    return stranger, me


BAD_STREAMS = {
    "an oversized frame": (True, bytes([Channel.REQUEST]) + (FRAME_BYTES_MAX + 1).to_bytes(4, "big"), False, "over"),
    "a channel there is none of": (True, b"\x09", False, "no such channel"),
    "a channel that ends": (True, bytes([Channel.EVENTS]) + pack_frame(b"x"), True, "channel ended"),
    "a frame of rubbish": (True, bytes([Channel.CONTROL]) + pack_frame(b"malformed"), False, "as the test wants"),
    "a stream of no class": (False, b"\x09\x00\x00\x00\x00", False, "no class"),
    "bulk on the main connection": (False, bytes([Flow.BULK, 0, 0, 0, 0]), False, "another's connection"),
    "an oversized header": (False, bytes([Flow.LIVE]) + b"\x00\x01\x00\x01", False, "header of 65537 bytes"),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
def test_a_member_that_misbehaves_is_dropped_and_named_and_the_node_lives(name):
    unidirectional, data, end, why = BAD_STREAMS[name]
    named = []

    async def case(mesh):
        node, other = await mesh.node(), await mesh.node()
        await other.network.dial(node.host, node.id)
        stranger, me = await member(mesh, node)
        named.append(me.node)
        stranger.open(data, unidirectional, end)
        code, reason = await stranger.closed()
        assert code == CODE_MALFORMED
        assert why in reason
        await until(lambda: [peer for peer, _ in node.handler.downs] == [me.node])
        assert list(node.network.links()) == [other.id]
        await other.network.links()[node.id].send(Channel.REQUEST, b"still there?")
        await until(lambda: node.handler.frames[-1:] == [(other.id, Channel.REQUEST, b"still there?")])

    entry = warned(run(case), "peer dropped")[0]
    assert entry["peer"] == named[0]
    assert why in entry["reason"]


def test_a_second_stream_of_one_channel_ends_the_link():
    async def case(mesh):
        node = await mesh.node()
        stranger, _ = await member(mesh, node)
        for _ in range(2):
            stranger.open(bytes([Channel.REQUEST]) + pack_frame(b"x"), unidirectional=True)
        assert (await stranger.closed())[0] == CODE_MALFORMED

    run(case)


@pytest.mark.parametrize(
    ("unidirectional", "data"),
    [(True, bytes([Channel.REQUEST]) + b"\x00\x00\x10\x00half"), (False, bytes([Flow.LIVE]) + b"\x00\x00\x10half")],
)
def test_a_frame_or_header_that_is_never_finished_ends_the_link(monkeypatch, unidirectional, data):
    monkeypatch.setattr(link, "FRAME_STALL_S", 0.3)

    async def case(mesh):
        node = await mesh.node()
        stranger, _ = await member(mesh, node)
        stranger.open(data, unidirectional)
        code, reason = await stranger.closed()
        assert code == CODE_MALFORMED
        assert "half sent" in reason

    run(case)


def test_a_member_may_not_have_more_streams_open_than_it_was_granted():
    async def case(mesh):
        node = await mesh.node()
        stranger, _ = await member(mesh, node)
        stranger._quic._remote_max_streams_bidi = 1 << 20
        stranger._quic.send_stream_data(4 * 5000, b"\x00")
        stranger._quic._streams[4 * 5000].is_blocked = False
        stranger.transmit()
        await stranger.closed()
        await until(lambda: not node.network.links())

    run(case)


def test_another_nodes_link_is_not_joined():
    """A connection for bulk names the link it is for; that of somebody else is no use."""

    async def case(mesh):
        node = await mesh.node()
        first = await mesh.stranger(node)
        await first.prove(identity(), node.id)
        theirs = (await first.welcome()).link
        second = await mesh.stranger(node)
        await second.prove(identity(), node.id, lane=3, link=theirs)
        assert await second.closed() == (CODE_REFUSED, "a further connection of a link that does not stand")

    run(case)


def test_a_member_that_goes_on_misbehaving_is_counted_made_to_wait_and_named():
    async def case(mesh):
        good, bad = await mesh.node(), await mesh.node()
        with structlog.testing.capture_logs() as logs:
            for times in (1, 2):
                made = await bad.network.dial(good.host, good.id)
                await made.send(Channel.CONTROL, b"malformed")
                await until(lambda: not bad.network.links() and not good.network.links())
                assert good.network.misbehaved == times
            with pytest.raises(Refused, match="dropped 2 times lately"):
                await bad.network.dial(good.host, good.id)
            with pytest.raises(RefusedHere, match="dropped 2 times lately"):
                await good.network.dial(bad.host, bad.id)
        dropped = warned(logs, "peer dropped")
        assert [(entry["peer"], entry["waits_s"]) for entry in dropped] == [(bad.id, 0.0), (bad.id, 5.0)]
        other = await mesh.node()
        await other.network.dial(good.host, good.id)

    run(case)


def test_a_host_that_floods_is_counted_and_named_once_and_a_few_late_datagrams_are_not():
    async def case(mesh):
        node = await mesh.node()
        flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            with structlog.testing.capture_logs() as logs:
                for number in range(3 * strangers.NAMED_FROM):
                    flood.sendto(os.urandom(60) if number % 2 else b"\x40" + os.urandom(60), node.host)
                    if number == strangers.NAMED_FROM // 2:
                        await until(lambda: node.network.strangers_refused > strangers.NAMED_FROM // 4)
                        assert not logs
                    if number % 50 == 0:
                        await asyncio.sleep(0.01)
                await until(lambda: node.network.strangers_refused >= 2 * strangers.NAMED_FROM)
        finally:
            flood.close()
        told = warned(logs, "a host sends much that nobody here waits for; it is ignored")
        assert [entry["host"] for entry in told] == ["127.0.0.1"]

    run(case)
