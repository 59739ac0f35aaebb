"""The tickets this node has made, and what became of them.

Decides who a ticket lets in: the first key that redeems it before it expires, and the same key again, with the same
answer, for as long as that is kept. Invariant: on return of ``redeem`` it is durable whom the ticket let in, so that no
crash lets a second one in. Only the hash of a ticket's secret is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from blake3 import blake3

from mesh.actors.schema import open_schema
from mesh.ports import Refused, Sql, Tables
from proto import codec
from proto.ids import NodeId
from proto.messages.identity import Redeemed

OPEN_MAX = 1000
"""Tickets of one node that nobody has redeemed yet."""
KEPT_S = 30 * 86400
"""How long after its expiry a ticket is known, so that who has redeemed it is told the same again."""


class TicketBook:
    """The tickets of one node. ``open`` it first."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def open(self) -> None:
        """Make the table."""
        await open_schema(self._tables)

    async def add(self, secret: bytes, roles: tuple[str, ...], expires_s: int, now_s: float) -> None:
        """Remember a new ticket, durably; Refused when too many wait."""

        def work(sql: Sql) -> None:
            sql.execute("DELETE FROM tickets WHERE expires_s < ?", (int(now_s) - KEPT_S,))
            sql.execute("DELETE FROM tickets WHERE node IS NULL AND expires_s < ?", (int(now_s) - 86400,))
            waiting = sql.execute("SELECT count(*) FROM tickets WHERE node IS NULL", ()).fetchone()[0]
            if waiting >= OPEN_MAX:
                raise Refused(f"{waiting} tickets wait to be used; use those, or wait until they expire")
            values = (_hash(secret), " ".join(roles), expires_s)
            sql.execute("INSERT INTO tickets (secret, roles, expires_s) VALUES (?, ?, ?)", values)

        await self._tables.write(work)

    async def redeem(
        self, secret: bytes, node: NodeId, now_s: float, admit: Callable[[tuple[str, ...]], Redeemed]
    ) -> Redeemed:
        """Let a node in, durably; ``admit`` makes the answer for the roles granted. Refused says why not."""
        key = _hash(secret)

        def work(sql: Sql) -> Redeemed:
            row = sql.execute("SELECT roles, expires_s, node, answer FROM tickets WHERE secret = ?", (key,)).fetchone()
            if row is None:
                raise Refused("this node made no such ticket, or long ago; have one made with `thatdam invite`")
            roles, expires_s, holder, answer = row
            if holder == node:
                return codec.decode(Redeemed, answer)
            if holder is not None:
                raise Refused(
                    f"the ticket has let another machine in ({holder[:8]}), and lets in one; have another made with "
                    "`thatdam invite`"
                )
            if now_s >= expires_s:
                raise Refused("the ticket has expired; have another made with `thatdam invite`")
            made = admit(tuple(roles.split()))
            sql.execute("UPDATE tickets SET node = ?, answer = ? WHERE secret = ?", (node, codec.encode(made), key))
            return made

        return await self._tables.write(work)


def _hash(secret: bytes) -> bytes:
    return blake3(secret, derive_key_context="thatdam ticket secret 1").digest()
