"""Argon2id for people's passwords (RFC 9106, its second recommended parameters)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

_hasher = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=4)
DUMMY = _hasher.hash("no such user")
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
