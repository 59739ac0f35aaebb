"""The mesh secret as people carry it: what makes one, and what is taken for one.

A secret is ``tds-`` and 36 letters of base32 in groups of six: 160 bits of chance and a check of 20 bits. Decides that
nothing else is taken: a phrase somebody thought up can be guessed from one recorded handshake, and a slip of the pen is
told at once. Case, spaces and dashes do not matter.
"""

from __future__ import annotations

import base64

from blake3 import blake3

PREFIX = "tds"
RANDOM_BYTES = 20
_BODY, _CHECK = 32, 4
_GROUP = 6
_HOW = "make one with `thatdam secret` and give every node the same"


class WeakSecret(ValueError):
    """Not a mesh secret; the text says what to do."""


def make_secret(chance: bytes) -> str:
    """Give the text of a secret made from RANDOM_BYTES of chance."""
    if len(chance) != RANDOM_BYTES:
        raise ValueError(f"a secret is made of {RANDOM_BYTES} bytes")
    body = base64.b32encode(chance).decode().lower()
    letters = body + _check(body)
    return "-".join((PREFIX, *(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))))


def read_secret(text: str) -> bytes:
    """Give the bytes of a secret's text; WeakSecret when it is none."""
    letters = "".join(letter for letter in text.lower() if letter.isalnum())
    if not letters.startswith(PREFIX):
        raise WeakSecret(f"the mesh secret is too weak: it must be one that was made by chance; {_HOW}")
    body, check = letters[len(PREFIX) : len(PREFIX) + _BODY], letters[len(PREFIX) + _BODY :]
    if len(body) != _BODY or len(check) != _CHECK or check != _check(body):
        raise WeakSecret(f"the mesh secret has a slip in it (a letter missing or changed); copy it again, or {_HOW}")
    try:
        return base64.b32decode(body.upper())
    except ValueError as error:
        raise WeakSecret(f"the mesh secret has a letter that none has; copy it again, or {_HOW}") from error


def _check(body: str) -> str:
    return (
        base64.b32encode(blake3(body.encode(), derive_key_context="thatdam secret check 1").digest())
        .decode()[:_CHECK]
        .lower()
    )
