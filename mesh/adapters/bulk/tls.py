"""TLS of the lane: 1.3 alone, no resumption; the server shows its node certificate, and the dialler verifies its name.

As on QUIC the server asks for no client certificate: the dialler proves itself inside (``proof``). Python's ssl takes
keys from files alone, so the node's goes there and back encrypted, under a password that is nowhere but here.
"""

from __future__ import annotations

import ssl
import tempfile
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

ALPN = "thatdam-bulk/1"


def server_context(certificate: bytes, seed: bytes, password: bytes) -> ssl.SSLContext:
    """Give the context of a server with this certificate (DER) and key; ``password`` is any chance. Blocks on files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _only_what_is_wanted(context)
    context.num_tickets = 0
    key = Ed25519PrivateKey.from_private_bytes(seed)
    packed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    shown = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    with tempfile.TemporaryDirectory(prefix="thatdam-") as folder:
        file = Path(folder) / "node.pem"
        file.write_bytes(packed + shown)
        context.load_cert_chain(file, password=password)
    return context


@lru_cache(maxsize=16)
def client_context(authorities: tuple[bytes, ...]) -> ssl.SSLContext:
    """Give the context of a dialler that takes certificates of these CAs (DER), for the name it dials."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _only_what_is_wanted(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.load_verify_locations(cadata=b"".join(authorities))
    return context


def _only_what_is_wanted(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols([ALPN])
