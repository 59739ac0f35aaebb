"""Which authority of a mesh signed for which, and which of them stand *beside* the one that a node goes by.

An authority has one successor, unless two sides of a partition each gave it one, or somebody who got hold of its key
did: each node goes by the first it hears of. Those that it does not go by, though one of its own line signed for them
or for one before them, are beside it. Nothing tells an honest one from a thief's: both are signed by the same key.

Invariant: only what is signed is in here. That an authority is beside gives it no say. Its certificates count for nodes
that the present one lists, as a former one's do; its tombstones, and a former one's, with the word of a node that
could admit before (``revoking``), whose key nobody else has.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping

from mesh.core.identity import authority_key_of, open_succession
from proto import codec
from proto.ids import MeshId, NodeId
from proto.messages.identity import LINE_MAX, RevokingContent, Sealed

REVOKING_LABEL = "thatdam-revoking-1"
KNOWN_MAX = 1024
"""Successions that are remembered; further ones are not taken."""
BESIDE_MAX = 64
"""Authorities beside the present one that are told of and whose certificates are taken, the first heard of."""

Told = tuple[bytes, Sealed]
"""An authority's raw key, and what it signed for its successor."""


def revoking(mesh: MeshId, node: NodeId, by: NodeId, authority: bytes) -> bytes:
    """Give what the node ``by`` signs when it has ``node`` ended by an authority (its raw key)."""
    return codec.encode(RevokingContent(REVOKING_LABEL, mesh, node, by, authority))


class Lineage:
    """The successions of one mesh that a node has heard of."""

    def __init__(self, mesh: MeshId) -> None:
        self._mesh = mesh
        self._heirs: dict[bytes, dict[bytes, tuple[bytes, Sealed]]] = {}
        self._known = 0

    @property
    def full(self) -> bool:
        """Whether no more are taken."""
        return self._known >= KNOWN_MAX

    def add(self, authority: bytes, sealed: Sealed) -> bool:
        """Take what an authority (its raw key) signed for its successor; NotAMember when it did not sign that.

        False: it was known, or there is no room for it.
        """
        heirs = self._heirs.get(authority, {})
        if any(known == sealed for _, known in heirs.values()):
            return False
        heir = open_succession(sealed, authority, self._mesh)
        key = authority_key_of(heir)
        if key in heirs or self.full:
            return False
        self._heirs.setdefault(authority, heirs)[key] = (heir, sealed)
        self._known += 1
        return True

    def keep_only(self, present: bytes) -> None:
        """Forget what has nothing to do with the line of an authority: anybody can sign with keys of their own."""
        own = {present, *self.before(present)}
        kept = own | self._after(own).keys()
        self._heirs = {key: heirs for key, heirs in self._heirs.items() if key in kept}
        self._known = sum(map(len, self._heirs.values()))

    def beside(self, present: bytes) -> Mapping[bytes, bytes]:
        """Give the authorities beside one: their raw keys, and their CAs (DER)."""
        before = self.before(present)
        return dict(list(self._after(before, but={present, *before}).items())[:BESIDE_MAX])

    def concerns(self, authority: bytes, present: bytes) -> bool:
        """Tell whether an authority comes before one, or is beside it: what it signs may lead to one beside."""
        return authority in self.before(present) or authority in self.beside(present)

    def led_to(self, authorities: Mapping[bytes, bytes]) -> list[Told]:
        """Give what was signed for these authorities."""
        return [
            (key, sealed)
            for key, heirs in self._heirs.items()
            for heir, (_, sealed) in heirs.items()
            if heir in authorities
        ]

    def line(self, present: bytes) -> tuple[Told, ...]:
        """Give the successions that led to an authority, the oldest first, the last LINE_MAX of them."""
        found: list[Told] = []
        seen, key = {present}, present
        while len(found) < LINE_MAX:
            step = next(((one, heirs[key][1]) for one, heirs in self._heirs.items() if key in heirs), None)
            if step is None or step[0] in seen:
                break
            found.append(step)
            key = step[0]
            seen.add(key)
        return tuple(reversed(found))

    def before(self, present: bytes) -> Collection[bytes]:
        """Give the keys of all that lead to an authority."""
        found: dict[bytes, None] = {}
        new = [present]
        while new:
            heir = new.pop()
            for key, heirs in self._heirs.items():
                if heir in heirs and key != present and key not in found:
                    found[key] = None
                    new.append(key)
        return found.keys()

    def _after(self, authorities: Iterable[bytes], but: Container[bytes] = ()) -> dict[bytes, bytes]:
        """Give all that authorities lead to, their keys and CAs, by way of none of ``but``."""
        found: dict[bytes, bytes] = {}
        new = sorted(authorities)
        while new:
            for key, (ca, _) in self._heirs.get(new.pop(0), {}).items():
                if key not in but and key not in found:
                    found[key] = ca
                    new.append(key)
        return found
