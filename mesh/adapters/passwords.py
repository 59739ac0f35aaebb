"""Argon2id for people's passwords (RFC 9106, its second recommended parameters)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type, hash_secret_raw

_hasher = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4)
DUMMY = "$argon2id$v=19$m=65536,t=3,p=4$cTvRKKqPLOog2kRkcZoHtA$JR2ySzh28ZyE+aVOGbBLJ6VRhNFB0DSB4tO50pPjr8o"
"""Checked when there is no such user, so that the answer takes as long."""


def hash_password(password: str) -> str:
    """Give the Argon2id text of a password. Blocking: run it in the executor."""
    return _hasher.hash(password)


def password_fits(hashed: str, password: str) -> bool:
    """Tell whether a password fits. Blocking: run it in the executor."""
    try:
        return _hasher.verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False


def authority_seed(secret: bytes) -> bytes:
    """Give the 32-byte seed of the authority that a mesh secret stands for. Blocking, about 0.1 s.

    The secret has 160 bits of chance, so that the salt may be a constant: every node must come to the same key.
    """
    return hash_secret_raw(
        secret, b"thatdam mesh authority 1", time_cost=3, memory_cost=65536, parallelism=4, hash_len=32, type=Type.ID
    )
