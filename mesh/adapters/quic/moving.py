"""Addresses that change while links stand: whose connections are asked whether they still do.

A dialler that moves is followed by QUIC: its next packet shows where it is. Who was dialled is not, for a dialler takes
nothing from an address it did not dial (RFC 9000, section 9); both ends would wait for the idle timeout. So each
connection is asked for a sign of life when this machine's addresses have changed, and one whose datagrams come from an
address that is not the peer's, as when a NAT has forgotten it. Without an answer it is given up, to be dialled anew.

Invariant: a datagram from elsewhere costs a probe at most: whoever forges one ends no connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence

from mesh.adapters.quic.driver import Carrier, Lane
from mesh.adapters.quic.gate import CODE_BYE
from mesh.adapters.quic.link import QuicLink
from mesh.ports import Host

SIGN_S = 1.5
"""How long a connection has to show that it stands."""
MOVED = "nothing is heard any more since an address changed"


class Moving:
    """Looks after the links of one network; ``down`` ends one, with a reason."""

    def __init__(self, down: Callable[[QuicLink, str], None]) -> None:
        self._down = down
        self._hosts: list[Host] | None = None
        self._asked: dict[Carrier, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What waits for signs of life."""
        return list(self._asked.values())

    def look(self, hosts: Callable[[], list[Host]], links: Iterable[QuicLink]) -> None:
        """See what has changed, every few seconds. ``hosts``: gives this machine's addresses as they are now."""
        before = self._hosts
        with contextlib.suppress(OSError):  # the system would not say: as far as is known nothing has changed
            self._hosts = hosts()
        moved = before is not None and self._hosts != before
        for link in links:
            for carrier in link.carriers:
                if (moved or carrier.strayed) and carrier not in self._asked:
                    carrier.strayed = False
                    self._asked[carrier] = asyncio.get_running_loop().create_task(self._ask(link, carrier))

    async def _ask(self, link: QuicLink, carrier: Carrier) -> None:
        try:
            if await carrier.answers(SIGN_S) or carrier.gone or link.down:
                return
            if carrier.lane is Lane.MAIN:
                self._down(link, MOVED)
            else:
                carrier.close(CODE_BYE, MOVED)
        finally:
            del self._asked[carrier]
