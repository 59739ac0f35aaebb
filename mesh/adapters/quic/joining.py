"""Redeeming a ticket: the one thing a machine says to a mesh before it is a node of it.

Decides in what order addresses are tried. TLS verifies the admitting node against the ticket's own authority and id
before the ticket's secret is said; so a ticket leads to nobody else, whoever answers at its addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from mesh.adapters.quic.aioquic_engine import AioquicEngine
from mesh.adapters.quic.credentials import Credentials
from mesh.adapters.quic.driver import Driver, Lane
from mesh.adapters.quic.gate import ALPN_TICKET, CODE_BYE, Redeeming
from mesh.adapters.quic.link import WINDOWS
from mesh.adapters.quic.udp import UdpSocket
from mesh.ports import Clock, Entropy, Host, PortError, Refused, Unavailable
from proto.ids import NodeId
from proto.messages.identity import Redeem, Redeemed

DATAGRAM_BYTES = 1200
TIMEOUT_S = 5.0
ROUNDS = 3
PAUSE_S = 0.5


async def redeem(
    newcomer: Credentials,
    server: NodeId,
    addresses: Sequence[Host],
    answer: Callable[[bytes], Redeem],
    clock: Clock,
    entropy: Entropy,
) -> Redeemed:
    """Redeem a ticket at the node ``server``; ``answer`` makes the message for the server's nonce.

    Refused: that node says no, in its words. Unavailable: it was reached at none of the addresses.
    """
    wrong: dict[Host, str] = {}
    for attempt in range(ROUNDS):
        if attempt:
            await asyncio.sleep(PAUSE_S)
        for host in addresses:
            try:
                return await _ask(newcomer, server, host, answer, clock, entropy)
            except Refused:
                raise
            except PortError as error:
                wrong[host] = str(error)
    tried = "; ".join(f"{host}:{port}: {why}" for (host, port), why in wrong.items()) or "the ticket names no address"
    raise Unavailable(
        f"the node that admits with this ticket ({server[:8]}) was not reached ({tried}); see that it runs and that "
        "UDP is let through to it, or have a ticket made on another node with `thatdam invite`"
    )


async def _ask(
    newcomer: Credentials,
    server: NodeId,
    host: Host,
    answer: Callable[[bytes], Redeem],
    clock: Clock,
    entropy: Entropy,
) -> Redeemed:
    engine, socket = AioquicEngine(entropy), UdpSocket()
    driver = Driver(engine, socket, clock, lambda data, address: None)
    await socket.open(("::" if ":" in host[0] else "0.0.0.0", 0), driver.receive)  # noqa: S104 - a dialler's socket
    try:
        async with asyncio.timeout(TIMEOUT_S):
            address = await socket.resolve(host)
            session = Redeeming(answer)
            windows = WINDOWS[Lane.MAIN]
            made = engine.dial(address, ALPN_TICKET, newcomer, server, windows, DATAGRAM_BYTES, clock.monotonic())
            carrier = session.carrier = driver.add(made, session)
            redeemed = await session.redeemed
            carrier.close(CODE_BYE, "")
            return redeemed
    except TimeoutError as error:
        raise Unavailable(f"no answer within {TIMEOUT_S:g} s") from error
    finally:
        driver.close()
        socket.close()
