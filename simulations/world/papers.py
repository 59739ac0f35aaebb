"""What a machine's node holds of its standing in the mesh: certificates, authorities. It outlives a crash."""

from __future__ import annotations

from typing import Any

from mesh.core.identity import Authority, NodeIdentity, authority_key_of, mesh_of_authority
from simulations.world.world import Machine


class MachinePapers:
    """What a machine's node holds of its standing, from life to life."""

    def __init__(self, machine: Machine[Any]) -> None:
        self._machine = machine

    async def keep(self, identity: NodeIdentity) -> None:
        """Keep certificates and authorities."""
        self._machine.identity = identity

    async def keep_authority(self, seed: bytes) -> None:
        """Keep an authority's seed."""
        key = Authority(seed).public_key
        self._machine.safe[f"authority/{key.hex()}"] = seed

    async def authority_of(self, certificate: bytes) -> Authority | None:
        """Give the authority kept for a mesh CA, or None."""
        seed = self._machine.safe.get(f"authority/{authority_key_of(certificate).hex()}")
        return None if seed is None else Authority(seed, mesh_of_authority(certificate))

    async def keep_company(self) -> None:
        """Nothing depends on it here: simulated nodes always listen for others."""
