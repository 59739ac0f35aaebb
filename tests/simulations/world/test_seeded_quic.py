"""aioquic in a simulation: a seed decides its bytes, its dates are simulated, and others are still forbidden."""

import asyncio
import datetime
import os

import pytest
from aioquic import tls
from aioquic.quic import connection, packet, retry
from aioquic.quic.stream import QuicStream
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519

from mesh.adapters.quic.aioquic_engine import AioquicEngine
from mesh.adapters.quic.engine import Closed, HandshakeDone, Windows
from mesh.core.identity import Authority, NodeIdentity, node_of_seed
from simulations.world.clock import WORLD_BEGAN
from simulations.world.entropy import SeededEntropy
from simulations.world.forbidden import Forbidden
from simulations.world.seeded_quic import seeded_quic
from simulations.world.world import World

WINDOWS = Windows(1 << 20, 1 << 20, 8, 8)
AUTHORITY = Authority(b"a" * 32)
CLIENT, SERVER = ("10.0.0.1", 1), ("10.0.0.2", 1)


def identity(number):
    key = bytes([number]) * 32
    return NodeIdentity(key, AUTHORITY.admit(node_of_seed(key), WORLD_BEGAN), AUTHORITY.certificate())


def talk(seed, wall_s=WORLD_BEGAN + 60.0, retries=False):
    """Have two engines shake hands and send on three streams; gives every datagram, and the client's events."""
    one, other = identity(1), identity(2)
    with seeded_quic(SeededEntropy(seed, "quic").token, lambda: wall_s):
        engine = AioquicEngine(SeededEntropy(seed, "engine"))
        client = engine.dial(SERVER, "test", one, other.node, WINDOWS, 1200, 0.0)
        server, sent, events, now_s = None, [], [], 0.0
        for turn in range(12):
            for data, _ in client.transmit(now_s, 1 << 20):
                sent.append(data)
                if server is None:
                    made = engine.accept(data, CLIENT, ("test",), other, WINDOWS, 1200, retries, now_s)
                    if isinstance(made, bytes):
                        sent.append(made)
                        client.receive(made, SERVER, now_s)
                        continue
                    server = made
                server.receive(data, CLIENT, now_s)
            now_s += 0.005
            for data, _ in server.transmit(now_s, 1 << 20) if server else ():
                sent.append(data)
                client.receive(data, SERVER, now_s)
            now_s += 0.005
            events += client.events()
            if turn == 4 and not client.over:
                for _ in range(3):
                    client.send(client.open(unidirectional=False), b"x" * 5000, end=True)
    return sent, events


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    one, other = talk(1), talk(2)
    assert any(isinstance(event, HandshakeDone) for event in one[1])
    assert talk(1) == one
    assert other[0] != one[0]
    assert [len(data) for data in other[0]] == [len(data) for data in one[0]]


def test_retries_are_of_the_seed_too():
    one = talk(1, retries=True)
    assert any(isinstance(event, HandshakeDone) for event in one[1])
    assert talk(1, retries=True) == one


def test_certificates_are_judged_by_the_simulated_date():
    ended = [event for event in talk(1, WORLD_BEGAN + 200 * 365 * 86400.0)[1] if isinstance(event, Closed)]
    assert ended
    assert ended[0].by_tls


def test_everything_is_put_back():
    before = (os.urandom, tls.utcnow, QuicStream.__hash__)
    with pytest.raises(ZeroDivisionError), seeded_quic(bytes, lambda: 0.0):
        raise ZeroDivisionError
    assert (os.urandom, tls.utcnow, QuicStream.__hash__) == before
    assert {module.os for module in (tls, connection, packet, retry)} == {os}
    assert (tls.x25519, tls.x448, tls.ec) == (x25519, x448, ec)


@pytest.mark.parametrize("touch", [lambda: os.urandom(4), lambda: datetime.datetime.now(datetime.UTC)])
def test_in_tier_2_who_is_not_aioquic_is_still_forbidden_chance_and_date(touch):
    async def story():
        await asyncio.sleep(1.0)
        assert tls.utcnow().timestamp() == WORLD_BEGAN + 1.0
        assert len(tls.os.urandom(8)) == 8
        touch()

    async def nobody(machine, world):
        raise NotImplementedError

    with pytest.raises(Forbidden):
        World(1, 1, nobody, tier=2).run(story)
