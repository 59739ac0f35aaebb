"""The bulk lane: who gets in, what it carries, and that everything goes on without it."""

import asyncio
import contextlib
import socket
import ssl

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.adapters.bulk import frames, lane, pool, proof, stream, tls
from mesh.adapters.bulk.frames import Cutter, Ended, Kind, Opened, Piece, WasReset
from mesh.adapters.bulk.wire import set_options
from mesh.adapters.clock import SystemEntropy
from mesh.adapters.quic import network, strangers
from mesh.adapters.quic.driver import Lane
from mesh.core.identity import VERSIONS, NodeIdentity
from mesh.ports import Channel, Flow, StreamLost, Unavailable
from proto import codec
from proto.codec import Malformed
from proto.frames import FrameReader, pack_frame
from proto.messages.identity import NONCE_BYTES, Challenge, Proof, Welcome
from tests.contracts.network_cases import echo, read_all
from tests.mesh.adapters.quic_world import AUTHORITY, SETTLE_S, STRANGERS, Mesh, ShiftedClock, identity, run, until

BODY = bytes(range(256)) * 2000


async def linked(mesh, **named):
    """Give two nodes with a lane each, and the first one's link to the other."""
    one, other = await mesh.node(lane=True), await mesh.node(lane=True, **named)
    link = await one.network.dial(other.host, other.id)
    await until(lambda: other.network.links())
    return one, other, link


async def carried(link, flow=Flow.BULK, body=BODY):
    made = await link.open_stream(flow, b"head ")
    reading = asyncio.ensure_future(read_all(made))
    await made.write(body)
    await made.finish()
    assert await reading == b"head " + body


class Stranger:
    """A dialler of the lane that does as the test says."""

    def __init__(self, reader, writer):
        self.reader, self.writer, self.frames = reader, writer, FrameReader()

    async def frame(self):
        async with asyncio.timeout(SETTLE_S):
            while True:
                data = await self.reader.read(65536)
                if not data:
                    return None
                found = self.frames.feed(data)
                if found:
                    return found[0]

    async def challenge(self):
        return codec.decode(Challenge, await self.frame())

    def say(self, *parts):
        self.writer.writelines(parts)

    async def prove(self, me, server, link, **changed):
        said = me.prove(server, (await self.challenge()).nonce, VERSIONS, Lane.BULK, link)
        fields = {name: changed.get(name, getattr(said, name)) for name in Proof.__dataclass_fields__}
        self.say(pack_frame(codec.encode(Proof(**fields))))

    async def hung_up(self):
        """Wait until the node has closed, having said nothing more."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert await self.frame() is None


async def stranger(node, alpn=tls.ALPN):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    port = node.network._bulk.port
    return Stranger(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=node.id))


def refusals(logs):
    return [entry["reason"] for entry in logs if entry["event"] == "peer refused" and entry.get("lane") == "bulk"]


# ---------------------------------------------------------------- what it carries


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_bulk_and_record_copies_go_by_the_lane_and_the_rest_by_quic(runner):
    async def main():
        async with Mesh() as mesh:
            one, other, link = await linked(mesh)
            for flow in Flow:
                await carried(link, flow)
            assert link.bulk.streams == 2
            back = other.network.links()[one.id]
            await carried(back)
            assert (link.bulk.streams, back.bulk.streams) == (3, 3)
            assert all(carrier.lane is Lane.MAIN for carrier in one.carriers + other.carriers)

    runner(main())


def test_a_connection_is_used_again_and_there_are_few_of_them():
    async def case(mesh):
        _, other, link = await linked(mesh)
        for _ in range(5):
            await carried(link)
        assert len(link.bulk._dialled) == 1
        await asyncio.gather(*(carried(link, flow) for flow in (Flow.BULK, Flow.RECORD) for _ in range(10)))
        assert len(link.bulk._dialled) <= pool.DIALLED_MAX
        assert len(other.handler.streams) == 25

    run(case)


def test_a_reader_that_stops_holds_little_here_and_does_not_stop_the_others():
    async def case(mesh):
        _, other, link = await linked(mesh)
        release = asyncio.Event()

        async def some_wait(header, made):
            if header == b"wait":
                await release.wait()
            await echo(header, made)

        other.handler.serve = some_wait
        stopped = [await link.open_stream(Flow.BULK, b"wait") for _ in range(pool.BULK_MAX + 2)]
        writing = [asyncio.ensure_future(one.write(bytes(8 << 20))) for one in stopped]
        await carried(link, Flow.RECORD)
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in writing)
        theirs = next(iter(other.network.links().values())).bulk
        waiting = [turns.stream._buffered for turns in theirs._accepted if turns.stream is not None]
        assert max(waiting) <= stream.READ_WINDOW_BYTES + frames.PIECE_BYTES_MAX
        for one, task in zip(stopped, writing, strict=True):
            task.cancel()
            one.reset()
        release.set()
        await asyncio.wait(writing)
        await carried(link)

    run(case)


# ---------------------------------------------------------------- without it


def test_where_one_side_has_no_lane_everything_goes_by_quic():
    async def case(mesh):
        one, other = await mesh.node(lane=True), await mesh.node()
        link = await one.network.dial(other.host, other.id)
        for flow in Flow:
            await carried(link, flow)
        assert link.bulk.streams == 0
        await carried(other.network.links()[one.id])

    run(case)


@pytest.mark.parametrize("how", ["closed", "silent"])
def test_where_the_port_is_blocked_everything_goes_by_quic_and_nobody_waits_long(how, monkeypatch):
    async def case(mesh):
        one, other = await mesh.node(lane=True), await mesh.node(lane=True)
        with socket.socket() as blocked:
            blocked.bind(("127.0.0.1", 0))
            if how == "silent":
                blocked.listen(1)
            other.network._bulk.port, real = blocked.getsockname()[1], other.network._bulk.port
            link = await one.network.dial(other.host, other.id)
            other.network._bulk.port = real
            began = asyncio.get_running_loop().time()
            for _ in range(10):
                await (await link.open_stream(Flow.BULK, b"")).finish()
            await carried(link, Flow.RECORD)
            assert asyncio.get_running_loop().time() - began < 6 * pool.DIAL_WAIT_S
            assert link.bulk.streams == 0

    run(case)


def test_a_connection_that_breaks_costs_its_stream_and_the_next_one_goes_on():
    async def case(mesh):
        _, other, link = await linked(mesh)
        seen = []

        async def never(header, made):
            try:
                await made.read_exactly(1 << 30)
            except Unavailable as error:
                seen.append(type(error))

        other.handler.serve = never
        made = await link.open_stream(Flow.BULK, b"")
        await made.write(b"some")
        await until(lambda: other.handler.streams)
        next(iter(link.bulk._dialled)).wire._transport.abort()
        with pytest.raises(StreamLost):
            await made.read()
        with pytest.raises(StreamLost):
            await made.write(b"more")
        made.reset()
        await until(lambda: seen)
        other.handler.serve = echo
        await carried(link)
        assert link.bulk.streams == 2

    run(case)


def test_what_is_not_used_is_closed(monkeypatch):
    async def case(mesh):
        _, other, link = await linked(mesh)
        await carried(link)
        theirs = next(iter(other.network.links().values())).bulk
        monkeypatch.setattr(pool, "IDLE_S", -1.0)
        link.bulk.tidy()
        assert not link.bulk._dialled
        await until(lambda: not theirs._accepted)
        await carried(link)

    run(case)


def test_a_taken_port_is_replaced_by_another():
    async def case(mesh):
        one, other, _ = await linked(mesh)
        taken = lane.BulkLane(one.network._bulk.port, one.network._entropy)
        await taken.start("127.0.0.1", other.network)
        assert taken.port not in (0, one.network._bulk.port)
        await taken.close()

    run(case)


# ---------------------------------------------------------------- who gets in


def test_a_member_joins_its_own_standing_link_and_no_other():
    async def case(mesh):
        one, other, link = await linked(mesh)
        good = await stranger(other)
        await good.prove(one.identity, other.id, link.id)
        assert codec.decode(Welcome, await good.frame())
        for me, token in ((one.identity, bytes(16)), (identity(), link.id)):
            bad = await stranger(other)
            await bad.prove(me, other.id, token)
            await bad.hung_up()

    assert refusals(run(case)) == ["a connection of a link that does not stand"] * 2


CHANGED = {
    "no certificate": ({"certificate": b""}, "not a certificate"),
    "another mesh": ({"me": identity(authority=STRANGERS)}, "the certificate is not from this mesh's authority"),
    "a wrong signature": ({"signature": bytes(64)}, "the proof's signature is wrong"),
    "a proof for QUIC": ({"lane": Lane.MAIN}, "a proof for another connection"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_whoever_proves_nothing_is_refused(name):
    changed, why = CHANGED[name]

    async def case(mesh):
        one, other, link = await linked(mesh)
        bad = await stranger(other)
        rest = {key: value for key, value in changed.items() if key != "me"}
        await bad.prove(changed.get("me", one.identity), other.id, link.id, **rest)
        await bad.hung_up()
        assert list(other.network.links()) == [one.id]

    assert refusals(run(case)) == [why]


def test_an_expired_member_is_refused():
    async def case(mesh):
        one, other, link = await linked(mesh)
        other.network._judge = network.MachineJudge(ShiftedClock(10 * 365 * 86400))
        bad = await stranger(other)
        await bad.prove(one.identity, other.id, link.id)
        await bad.hung_up()

    (refused,) = refusals(run(case))
    assert refused.startswith("the certificate has expired: it ended on ")


def test_a_nonce_of_another_connection_is_worth_nothing():
    """Of the lane, or of QUIC: the proof is made in good faith, and brought where it was not made for."""
    given = []

    class Keeping(NodeIdentity):
        def prove(self, server, nonce, server_versions, wanted, link):
            made = super().prove(server, nonce, server_versions, Lane.BULK, link)
            given.append(made)
            return super().prove(server, nonce, server_versions, wanted, link)

    async def case(mesh):
        own = identity()
        one = await mesh.node(Keeping(own.seed, own.certificate, own.authority), lane=True)
        other = await mesh.node(lane=True)
        link = await one.network.dial(other.host, other.id)
        await until(lambda: other.network.links())
        await carried(link)
        assert len(given) == 2
        for said in given:
            bad = await stranger(other)
            await bad.challenge()
            fields = {name: getattr(said, name) for name in Proof.__dataclass_fields__}
            bad.say(pack_frame(codec.encode(Proof(**{**fields, "link": link.id}))))
            await bad.hung_up()

    assert refusals(run(case)) == ["the proof's signature is wrong"] * 2


def test_a_nonce_that_a_member_forwards_is_worth_nothing():
    """The member in the middle is a real node with a lane of its own, which its victim dials in good faith."""

    class Forwarding(SystemEntropy):
        nonce = b""

        def token(self, size):
            return self.nonce if size == NONCE_BYTES and self.nonce else super().token(size)

    class Taking(NodeIdentity):
        def check(self, said, nonce, now_s):
            taken.append(said)
            return super().check(said, nonce, now_s)

    taken = []

    async def case(mesh):
        own, entropy = identity(), Forwarding()
        victim, target, real = await linked(mesh)
        middle = await mesh.node(Taking(own.seed, own.certificate, own.authority), entropy=entropy, lane=True)
        link = await victim.network.dial(middle.host, middle.id)
        bad = await stranger(target)
        entropy.nonce = (await bad.challenge()).nonce
        await carried(link)
        said = taken[-1]
        assert (said.node, said.lane) == (victim.id, Lane.BULK)
        fields = {name: getattr(said, name) for name in Proof.__dataclass_fields__}
        bad.say(pack_frame(codec.encode(Proof(**{**fields, "link": real.id}))))
        await bad.hung_up()

    assert refusals(run(case)) == ["the proof's signature is wrong"]


def test_a_server_that_is_not_who_it_should_be_is_told_nothing(monkeypatch):
    """Another member listens where the peer's lane should be: TLS sees it, nothing is signed, and QUIC is used."""
    proved = []

    class Keeping(NodeIdentity):
        def prove(self, *given):
            proved.append(given[3])
            return super().prove(*given)

    async def case(mesh):
        own = identity()
        one = await mesh.node(Keeping(own.seed, own.certificate, own.authority), lane=True)
        other, thief = await mesh.node(lane=True), await mesh.node(lane=True)
        real, other.network._bulk.port = other.network._bulk.port, thief.network._bulk.port
        link = await one.network.dial(other.host, other.id)
        other.network._bulk.port = real
        await carried(link)
        assert link.bulk.streams == 0
        assert Lane.BULK in proved, "by QUIC"
        assert proved.count(Lane.BULK) == 1
        assert not thief.network.links()

    logs = run(case)
    assert any("TLS does not accept" in entry.get("reason", "") for entry in logs)


BAD_FRAMES = {
    "huge": b"\xff\xff\xff\xff",
    "no CBOR": pack_frame(b"\xff" * 100),
    "another message": pack_frame(codec.encode(Challenge(bytes(32), 1, 1))),
    "two frames": pack_frame(b"\x80") * 2,
    "a stream at once": frames.opening(1, Flow.BULK, b"x"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_what_is_no_proof_ends_the_connection_and_is_not_served(name):
    async def case(mesh):
        _, other, _ = await linked(mesh)
        bad = await stranger(other)
        await bad.challenge()
        bad.say(BAD_FRAMES[name])
        await bad.hung_up()
        assert not other.handler.streams
        await until(lambda: not other.network._bulk._unproven)

    assert refusals(run(case))[0].startswith("no proof: ")


def test_who_says_nothing_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(proof, "NONCE_LIFE_S", 0.2)
    monkeypatch.setattr(lane, "NONCE_LIFE_S", 0.2)

    async def case(mesh):
        _, other, _ = await linked(mesh)
        silent = await stranger(other)
        await silent.challenge()
        await silent.hung_up()
        with socket.create_connection(("127.0.0.1", other.network._bulk.port)) as raw:
            raw.setblocking(False)
            async with asyncio.timeout(SETTLE_S):
                assert await asyncio.get_running_loop().sock_recv(raw, 10) == b""
        await until(lambda: not other.network._bulk._unproven)

    run(case)


def test_another_protocol_and_plain_bytes_get_nothing():
    async def case(mesh):
        _, other, link = await linked(mesh)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await (await stranger(other, "h2")).hung_up()
        reader, writer = await asyncio.open_connection("127.0.0.1", other.network._bulk.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in await reader.read()
        writer.close()
        await carried(link)

    logs = run(case)
    assert not [entry for entry in logs if entry["log_level"] == "error"]


def test_a_flood_of_strangers_is_bounded(monkeypatch):
    async def case(mesh):
        _, other, link = await linked(mesh)
        port = other.network._bulk.port
        raws = [socket.create_connection(("127.0.0.1", port)) for _ in range(lane.UNPROVEN_A_HOST_MAX * 2)]
        await until(lambda: len(other.network._bulk._unproven) == lane.UNPROVEN_A_HOST_MAX)
        await asyncio.sleep(0.05)
        assert len(other.network._bulk._unproven) == lane.UNPROVEN_A_HOST_MAX
        for raw in raws:
            raw.close()
        await until(lambda: not other.network._bulk._unproven)
        await carried(link)
        assert link.bulk.streams == 1
        monkeypatch.setattr(strangers, "HANDSHAKES_A_SECOND", 0.0)
        monkeypatch.setattr(strangers, "HANDSHAKES_BURST", 0.0)
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.setblocking(False)
            async with asyncio.timeout(SETTLE_S):
                assert await asyncio.get_running_loop().sock_recv(raw, 10) == b""

    run(case)


def test_a_revoked_peer_is_cut_here_as_well_and_does_not_come_back():
    revoked = {}

    async def case(mesh):
        one, other, link = await linked(mesh, accepts=revoked.get)
        made = await link.open_stream(Flow.BULK, b"")
        await made.write(b"some")
        await until(lambda: other.handler.streams)
        theirs = other.network.links()[one.id].bulk
        revoked[one.id] = "it was stolen"
        other.network.drop(one.id, "revoked")
        assert not theirs._accepted
        with pytest.raises(Unavailable):
            await read_all(made)
        bad = await stranger(other)
        await bad.prove(one.identity, other.id, link.id)
        await bad.hung_up()

    assert refusals(run(case)) == ["it was stolen"]


def test_a_node_shows_its_renewed_certificate():
    async def case(mesh):
        _, other, link = await linked(mesh)
        await carried(link)
        shown = other.network._bulk._context
        other.network.identity = NodeIdentity(
            other.identity.seed, AUTHORITY.admit(other.id, 2_000_000_000.0), AUTHORITY.certificate()
        )
        for turns in list(link.bulk._dialled):
            turns.end("test")
        await carried(link)
        assert other.network._bulk._context[0] == other.network.identity.certificate != shown[0]

    run(case)


# ---------------------------------------------------------------- a member that misbehaves

HEAD = frames.head
MISBEHAVIOUR = {
    "a kind there is none of": b"\x09" + bytes(7),
    "a piece of no stream": HEAD(Kind.PIECE, 1, 1) + b"x",
    "a huge piece": frames.opening(1, Flow.BULK, b"") + HEAD(Kind.PIECE, 1, 1 << 31),
    "an oversized header": HEAD(Kind.OPEN, 1, (64 << 10) + 2),
    "a class that is not carried": HEAD(Kind.OPEN, 1, 1) + bytes([Flow.LIVE]),
    "a stream out of turn": frames.opening(1, Flow.BULK, b"") + frames.opening(2, Flow.BULK, b""),
    "bytes behind the end": frames.opening(1, Flow.BULK, b"") + HEAD(Kind.END, 1, 0) + HEAD(Kind.PIECE, 1, 1) + b"x",
}


@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_a_member_that_misbehaves_is_dropped_and_named_and_the_node_lives(name):
    async def case(mesh):
        one, other, link = await linked(mesh)
        third = await mesh.node(lane=True)
        to_other = await third.network.dial(other.host, other.id)

        async def wait(header, made):
            await asyncio.Event().wait()

        other.handler.serve = wait
        bad = await stranger(other)
        await bad.prove(one.identity, other.id, link.id)
        await bad.frame()
        bad.say(MISBEHAVIOUR[name])
        await bad.hung_up()
        await until(lambda: [peer for peer, _ in other.handler.downs] == [one.id])
        other.handler.serve = echo
        await carried(to_other)
        await to_other.send(Channel.REQUEST, b"still there?")

    logs = run(case)
    assert [entry for entry in logs if entry["event"] == "peer dropped"]


# ---------------------------------------------------------------- frames

EVENTS = st.one_of(
    st.builds(Opened, st.integers(0, 65535), st.sampled_from(frames.FLOWS), st.binary(max_size=300)),
    st.builds(Piece, st.integers(0, 65535), st.binary(min_size=1, max_size=300)),
    st.builds(Ended, st.integers(0, 65535)),
    st.builds(WasReset, st.integers(0, 65535)),
)


def packed(event):
    match event:
        case Opened(number, flow, header):
            return frames.opening(number, flow, header)
        case Piece(number, data):
            return frames.head(Kind.PIECE, number, len(data)) + data
        case Ended(number):
            return frames.head(Kind.END, number, 0)
        case WasReset(number):
            return frames.head(Kind.RESET, number, 0)


def joined(events):
    """Put pieces that came in several feeds together again."""
    made = []
    for event in events:
        if isinstance(event, Piece) and made and isinstance(made[-1], Piece) and made[-1].number == event.number:
            made[-1] = Piece(event.number, made[-1].data + event.data)
        else:
            made.append(event)
    return made


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=8), st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_frames_come_back_wherever_the_bytes_are_cut(events, cuts):
    cutter, found, at, number = Cutter(), [], 0, 0
    data = memoryview(b"".join(map(packed, events)))
    while at < len(data):
        size = cuts[number % len(cuts)]
        found += cutter.feed(data[at : at + size])
        at, number = at + size, number + 1
    assert joined(found) == joined(events)
    assert cutter.held_bytes == 0


@settings(max_examples=100)
@given(st.lists(st.binary(min_size=1, max_size=64), max_size=20))
def test_rubbish_is_refused_or_held_within_the_bound(parts):
    cutter = Cutter()
    with contextlib.suppress(Malformed):
        for part in parts:
            cutter.feed(memoryview(part))
            assert cutter.held_bytes <= frames.HEADER_BYTES_MAX + 9


@pytest.mark.skipif(not hasattr(socket, "SO_PRIORITY"), reason="only Linux has classes of a socket's own")
def test_a_connection_is_marked_so_that_others_go_first():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        set_options(made)
        assert made.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x04, "RFC 8622"
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == 2, "TC_PRIO_BULK"
