"""Whatever a proven peer sends, the actor system takes it, answers it or calls it malformed: nothing else."""

import asyncio
import random

import pytest

from mesh.actors.system import ActorSystem
from mesh.adapters.clock import SystemClock, SystemEntropy
from mesh.core.identity import node_of_seed
from mesh.ports import Channel, PortError
from proto import codec
from proto.codec import Malformed
from proto.envelope import Envelope, Kind
from proto.messages.nodes import AskReport
from proto.shapes import all_messages
from tools.wire import cases_of

PEER = node_of_seed(b"p" * 32)
BODIES = [codec.encode_tagged(value) for cls in all_messages().values() for _, value in cases_of(cls)]


class NoNetwork:
    def links(self):
        return {}


class Link:
    peer = PEER

    def __init__(self):
        self.sent = []

    async def send(self, channel, frame):
        self.sent.append(Envelope.unpack(frame))


class Counting:
    def __init__(self):
        self.heard = 0

    async def receive(self, message, context):
        self.heard += 1


def changed(data, chance):
    made = bytearray(data)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(made))
        match chance.randrange(4):
            case 0:
                made[at] = chance.randrange(256)
            case 1:
                del made[at + 1 :]
            case 2:
                made[at:at] = chance.randbytes(2)
            case 3 if len(made) > 1:
                del made[at]
    return bytes(made)


def frames(chance, count):
    """Give frames as a peer might send them: envelopes of all kinds, with bodies and frames spoilt at random."""
    for _ in range(count):
        body = (
            changed(chance.choice(BODIES), chance) if chance.random() < 0.7 else chance.randbytes(chance.randrange(40))
        )
        kind = chance.choice(list(Kind))
        envelope = Envelope(
            kind,
            chance.randrange(5),
            chance.choice(["actor", "nobody", ""]),
            body,
            deadline_ms=chance.choice([0, 1, 3_600_000]),
            idempotency_key=chance.choice(["", "key"]),
            topic=chance.choice(["", "a.b", "x" * 128]),
        )
        yield changed(envelope.pack(), chance) if chance.random() < 0.5 else envelope.pack()


async def system():
    made = ActorSystem(node_of_seed(b"s" * 32), NoNetwork(), SystemClock(), SystemEntropy())
    actor = Counting()
    made.spawn("actor", actor)
    return made, actor


@pytest.mark.parametrize("seed", range(4))
def test_a_frame_is_taken_or_malformed(seed):
    async def main():
        made, actor = await system()
        link, outcomes = Link(), {"taken": 0, "malformed": 0}
        for number, frame in enumerate(frames(random.Random(seed), 2000)):
            try:
                await made.on_frame(link, Channel.REQUEST, frame)
                outcomes["taken"] += 1
            except Malformed:
                outcomes["malformed"] += 1
            if number % 50 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert min(outcomes.values()) > 100, outcomes
        assert actor.heard > 0
        assert all(envelope.kind in (Kind.ANSWER, Kind.FAILURE) for envelope in link.sent)
        assert not made._asked
        assert len(made._cells.window) <= 1
        await made.close()

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"", b"\xff", bytes([0x82, 0x1A, 0x7F, 0xFF, 0xFF, 0xFF, 0x80])])
def test_an_answer_that_is_no_message_here_fails_the_ask_as_the_other_sides_fault(body):
    class Answering(Link):
        def __init__(self):
            super().__init__()
            self.to = None

        async def send(self, channel, frame):
            asked = Envelope.unpack(frame)
            await self.to.on_frame(self, channel, Envelope(Kind.ANSWER, asked.seq, asked.actor, body).pack())

    async def main():
        link = Answering()

        class Network:
            def links(self):
                return {PEER: link}

        made = link.to = ActorSystem(node_of_seed(b"s" * 32), Network(), SystemClock(), SystemEntropy())
        with pytest.raises(PortError, match="no message here"):
            await made.ask(PEER, "actor", AskReport(), AskReport)
        await made.close()

    asyncio.run(main())


def test_the_head_of_a_stream_is_taken_refused_or_malformed():
    class Stream:
        def reset(self):
            pass

    async def main():
        made, _ = await system()
        refused = 0
        for frame in frames(random.Random(9), 1000):
            try:
                await made.on_stream(Link(), None, frame, Stream())
            except (Malformed, PortError):
                refused += 1
        assert refused == 1000
        await made.close()

    asyncio.run(main())
