"""aioquic inside a simulation: its chance comes from the seed and its date from the simulated clock.

Only what aioquic's own modules see is replaced, so that every other caller of ``os.urandom`` or ``datetime.now`` still
fails the run. Ephemeral keys are made from seeded bytes too, so that not only times, sizes and order but every byte on
the wire is the same for the same seed.

Invariant: what was replaced is put back when the block ends, also after an error.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from aioquic import tls
from aioquic.quic import connection, packet, retry
from aioquic.quic.stream import QuicStream
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Token = Callable[[int], bytes]
_ABSENT = object()
_EXTRA_BYTES = 8
"""More bytes than a curve's scalar has, so that none is much likelier than another."""


class _Shown:
    """A module or class as aioquic sees it: some names are ours, the rest is as it was."""

    def __init__(self, real: Any, **ours: Any) -> None:
        self.__dict__.update(ours)
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@contextmanager
def seeded_quic(token: Token, wall: Callable[[], float]) -> Iterator[None]:
    """Have aioquic draw from ``token`` (bytes of a size) and take ``wall`` (UTC seconds since 1970) for the date."""

    def now() -> datetime.datetime:
        return datetime.datetime.fromtimestamp(wall(), datetime.UTC)

    def curve_key(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        drawn = int.from_bytes(token(curve.key_size // 8 + _EXTRA_BYTES), "big")
        return ec.derive_private_key(1 + drawn % (curve.group_order - 1), curve)

    def key_25519() -> x25519.X25519PrivateKey:
        return x25519.X25519PrivateKey.from_private_bytes(token(32))

    def key_448() -> x448.X448PrivateKey:
        return x448.X448PrivateKey.from_private_bytes(token(56))

    chance = SimpleNamespace(urandom=token)
    ours: list[tuple[Any, str, Any]] = [(module, "os", chance) for module in (tls, connection, packet, retry)]
    ours += [
        (tls, "utcnow", now),
        (tls, "x25519", _Shown(x25519, X25519PrivateKey=_Shown(x25519.X25519PrivateKey, generate=key_25519))),
        (tls, "x448", _Shown(x448, X448PrivateKey=_Shown(x448.X448PrivateKey, generate=key_448))),
        (tls, "ec", _Shown(ec, generate_private_key=curve_key)),
        (retry, "AESGCM", _RetryKey(token)),
        # It serves the streams of a packet in the order of a set of them, which is that of their addresses in memory.
        (QuicStream, "__hash__", lambda stream: stream.stream_id),
    ]
    saved = [(owner, name, owner.__dict__.get(name, _ABSENT)) for owner, name, _ in ours]
    try:
        for owner, name, value in ours:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in saved:
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


class _RetryKey:
    """AES-GCM as the retry tokens' handler sees it."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def generate_key(self, bit_length: int) -> bytes:
        return self._token(bit_length // 8)

    def __call__(self, key: bytes) -> AESGCM:
        return AESGCM(key)
