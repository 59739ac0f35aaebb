"""Two releases of the wire in one world: the present one, and a next one that says more.

Each message of the next release has a field more, and there is one message more, which its nodes tell, ask, publish and
open streams with, to everybody. Whose callback runs decides which release speaks. The present release is the code as it
is, its bytes frozen in ``tests/golden``; the next one is the same code with other messages.

Invariant: a node takes and gives messages of its own release alone; outside the block nothing is changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mesh.actors.system import Context
from mesh.ports import ByteStream, Flow, NotFound, PortError
from proto import codec
from simulations.world.loop import LIFE
from thatdam.node import Node

NEXT = "next"
PRESENT = "present"
GREETING_NUMBER = 65_000
GREET_EVERY_S = 1.0
GREET_TIMEOUT_S = 2.0
ACTOR = "greeter"
_END = b"\x64next"
"""How a message of the next release ends: with the text of its last field."""


@dataclasses.dataclass(frozen=True, slots=True)
class Greeting:
    """The message that only the next release has."""

    words: str = ""


class Releases:
    """Which lives of nodes are of the next release, and what was said between the two."""

    def __init__(self) -> None:
        self.lives: dict[str, None] = {}
        self.counts: Counter[str] = Counter()
        self._grown: dict[type[Any], type[Any]] = {}
        self._plain: dict[type[Any], type[Any]] = {}

    def speaking(self) -> str:
        """Give the release of the node whose callback runs."""
        return NEXT if LIFE.get() in self.lives else PRESENT

    @contextmanager
    def spoken(self) -> Iterator[None]:
        """Have lives of the next release speak it for as long as the block lasts."""
        known, tags = codec.__dict__["_registry"], codec.__dict__["_tags"]
        encode, decode = codec.encode_tagged, codec.decode_tagged
        self._grown = {cls: _grown(cls) for cls in known.values()}
        self._plain = {grown: cls for cls, grown in self._grown.items()}
        both = {**tags, **{grown: tags[cls] for cls, grown in self._grown.items()}, Greeting: GREETING_NUMBER}

        def encode_tagged(value: Any) -> bytes:
            return encode(self._as_next(value) if self.speaking() == NEXT else value)

        def decode_tagged(data: bytes) -> Any:
            heard = NEXT if data.endswith(_END) else PRESENT
            message = decode(data)
            self.counts[f"{self.speaking()}_heard_{heard}"] += 1
            return message

        put = {
            "_registry": _Numbers(known, self),
            "_tags": both,
            "encode_tagged": encode_tagged,
            "decode_tagged": decode_tagged,
        }
        saved = {name: codec.__dict__[name] for name in put}
        for name, made in put.items():
            setattr(codec, name, made)
        try:
            yield
        finally:
            for name, real in saved.items():
                setattr(codec, name, real)

    def of_number(self, number: int, cls: type[Any] | None) -> type[Any] | None:
        """Give what a message's number means to the node whose callback runs."""
        if self.speaking() == PRESENT:
            return cls
        return Greeting if number == GREETING_NUMBER else None if cls is None else self._grown[cls]

    def _as_next(self, value: Any) -> Any:
        grown = self._grown.get(type(value))
        if grown is None:
            return value
        return grown(*(getattr(value, item.name) for item in dataclasses.fields(value)), later=NEXT)

    def greet(self, node: Node) -> None:
        """Have a node of the next release greet everybody, again and again, in every way there is."""
        node.system.spawn(ACTOR, _Greeter(), concurrency=4)
        node.system.supervisor.run("greeter/greet", lambda: self._greet(node))

    async def _greet(self, node: Node) -> None:
        while True:
            await asyncio.sleep(GREET_EVERY_S)
            await node.system.publish("greeting", Greeting("to all"))
            for peer in node.members.alive_ids():
                if peer == node.node_id:
                    continue
                for actor in (ACTOR, "catalogue"):
                    with contextlib.suppress(PortError):
                        await node.system.tell(peer, actor, Greeting("told"))
                try:
                    await node.system.ask(peer, ACTOR, Greeting("asked"), Greeting, timeout_s=GREET_TIMEOUT_S)
                except PortError:
                    self.counts["greetings_refused"] += 1
                else:
                    self.counts["greetings_answered"] += 1
                try:
                    async with asyncio.timeout(GREET_TIMEOUT_S):
                        stream = await node.system.stream(peer, ACTOR, Greeting("opened"), Flow.RECORD)
                        said = await stream.read_exactly(5)
                except (PortError, TimeoutError):
                    self.counts["streams_refused"] += 1
                else:
                    self.counts["streams_served"] += said == b"hello"
                    stream.reset()


class _Greeter:
    """Answers what is new, in every way it comes."""

    async def receive(self, message: Any, context: Context) -> Any | None:
        """Greet back."""
        if not isinstance(message, Greeting):
            raise NotFound(f"the greeter takes no {type(message).__name__} from {context.sender[:8]}")
        return Greeting("and you")

    async def serve(self, message: Any, stream: ByteStream, context: Context) -> None:
        """Greet back over a stream."""
        del message, context
        await stream.write(b"hello")
        await stream.finish()


class _Numbers(dict[int, type[Any]]):
    """The messages by number, as the release of the node whose callback runs has them."""

    def __init__(self, known: dict[int, type[Any]], releases: Releases) -> None:
        super().__init__(known)
        self._releases = releases

    def get(self, number: int, default: Any = None) -> Any:
        """Give what a number means; ``default`` where it means nothing."""
        return self._releases.of_number(number, super().get(number)) or default


def _grown(cls: type[Any]) -> type[Any]:
    """Give a message with a field more."""
    later = ("later", str, dataclasses.field(default=""))
    return dataclasses.make_dataclass(cls.__name__, [later], bases=(cls,), frozen=True, slots=True)
