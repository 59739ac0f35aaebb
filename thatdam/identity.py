"""Who this node is in which mesh: from what lies in the data folder and the secret it was given.

Decides: a mesh's authority is Argon2id of the shared secret, which is never written down here, or, for a node that
starts without one, chance kept in its folder (``authority.key``). The mesh of a folder is fixed at its birth. A
certificate is renewed once half of its year is over, by a node that can; one that cannot goes on with what it has.
"""

from __future__ import annotations

from dataclasses import dataclass

from mesh.adapters import passwords
from mesh.adapters.node_key import DataFolder
from mesh.core.identity import CERTIFICATE_LIFE_S, Authority, NodeIdentity, NotAMember, check_certificate
from mesh.core.secret import WeakSecret, read_secret
from mesh.ports import Corrupt, Entropy, Executor, Refused

AUTHORITY_KEY, AUTHORITY, CERTIFICATE = "authority.key", "mesh.ca", "node.crt"


@dataclass(frozen=True, slots=True)
class Standing:
    """A node's place in its mesh. ``authority`` where it can admit nodes; ``shared`` when that came of a secret."""

    identity: NodeIdentity
    authority: Authority | None
    shared: bool

    @property
    def alone(self) -> bool:
        """Whether this mesh was born here, without a secret that others could have."""
        return self.authority is not None and not self.shared


async def settle(folder: DataFolder, secret: str, executor: Executor, entropy: Entropy, now_s: float) -> Standing:
    """Give this node's standing, making what is missing. Refused says what does not fit together."""
    authority = await _authority(folder, secret, executor, entropy)
    kept = folder.read_secret(AUTHORITY)
    if authority is not None:
        if kept is not None and kept != authority.certificate():
            raise Refused(
                f"the data folder {folder.root} belongs to another mesh than the secret given; use that mesh's secret, "
                "or give this node another folder with --data"
            )
        if kept is None:
            kept = authority.certificate()
            folder.write_secret(AUTHORITY, kept)
    assert kept is not None
    return Standing(_identity(folder, kept, authority, now_s), authority, bool(secret))


async def _authority(folder: DataFolder, secret: str, executor: Executor, entropy: Entropy) -> Authority | None:
    if secret:
        try:
            raw = read_secret(secret)
        except WeakSecret as error:
            raise Refused(str(error)) from None
        return Authority(await executor.run(passwords.authority_seed, raw))
    seed = folder.read_secret(AUTHORITY_KEY)
    if seed is None:
        if folder.read_secret(AUTHORITY) is not None:
            return None  # born of a secret that this start was not given: a member still
        seed = entropy.token(32)
        folder.write_secret(AUTHORITY_KEY, seed)
    if len(seed) != 32:
        raise Corrupt(f"{folder.root / AUTHORITY_KEY} is damaged; put it back from a copy, or use another data folder")
    return Authority(seed)


def _identity(folder: DataFolder, ca: bytes, authority: Authority | None, now_s: float) -> NodeIdentity:
    seed = folder.key.private_bytes_raw()
    kept = folder.read_secret(CERTIFICATE)
    if kept is not None:
        try:
            expires_s = check_certificate(kept, ca, 0.0).expires_s
            if authority is None or expires_s - now_s > CERTIFICATE_LIFE_S / 2:
                return NodeIdentity(seed, kept, ca)
        except NotAMember as error:
            if authority is None:
                raise Corrupt(f"{folder.root / CERTIFICATE} is damaged: {error}; start once with the secret") from error
    if authority is None:
        raise Refused(
            f"the data folder {folder.root} has no certificate; start once with the mesh's secret (THATDAM_SECRET)"
        )
    made = authority.admit(folder.node_id, now_s)
    folder.write_secret(CERTIFICATE, made)
    return NodeIdentity(seed, made, ca)
