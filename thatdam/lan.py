"""The viewer on the LAN: which addresses it is served at, and the certificate that browsers there are shown.

Decides that only private addresses count as LAN: an address the whole internet could reach is never served. The
certificate is a P-256 leaf that the node makes itself (browsers take no Ed25519), names its addresses, and is made anew
when these change or it comes near its end, and otherwise stays, so that a restart asks nobody to trust it again. Nobody
vouches for it: its fingerprint, printed at the start, is what a person compares.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.ports import Corrupt
from thatdam.world import Safe

KEY_FILE = "lan.key"
CERTIFICATE_FILE = "lan.crt"
LIFE = datetime.timedelta(days=397)
"""The longest that browsers take of a leaf."""
RENEW = datetime.timedelta(days=30)
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LanCertificate:
    """Where the certificate and its key lie, and its SHA-256 as browsers show it."""

    certificate: Path
    key: Path
    fingerprint: str


def addresses() -> tuple[str, ...]:
    """Give this machine's private addresses on interfaces that are up, IPv4 first, in a stable order."""
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    found: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = set()
    for interface, rows in psutil.net_if_addrs().items():
        for row in rows:
            if interface not in up or row.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            with contextlib.suppress(ValueError):
                address = ipaddress.ip_address(row.address.partition("%")[0])
                if not (address.is_global or address.is_loopback or address.is_link_local or address.is_unspecified):
                    found.add(address)
    return tuple(str(address) for address in sorted(found, key=lambda one: (one.version, int(one))))


def names() -> frozenset[str]:
    """Give the names this machine has on its LAN."""
    host = socket.gethostname().lower()
    short = host.partition(".")[0]
    return frozenset({host, short, f"{short}.local"} - {"", ".local"})


def url(address: str, port: int) -> str:
    """Give the address of the viewer on the LAN."""
    return f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"


def certificate(folder: Path, safe: Safe, at: Sequence[str], now_s: float) -> LanCertificate:
    """Give a certificate for these addresses, made where the one kept does not fit. ``now_s``: UTC since 1970.

    ``safe`` keeps its files in ``folder``.
    """
    now = datetime.datetime.fromtimestamp(now_s, datetime.UTC)
    key = _key(safe)
    made = _kept(safe, key, at, now)
    if made is None:
        made = _make(key, at, now)
        safe.write_secret(CERTIFICATE_FILE, made.public_bytes(serialization.Encoding.PEM))
    return LanCertificate(
        folder / CERTIFICATE_FILE,
        folder / KEY_FILE,
        made.fingerprint(hashes.SHA256()).hex(":").upper(),
    )


def _key(safe: Safe) -> ec.EllipticCurvePrivateKey:
    raw = safe.read_secret(KEY_FILE)
    if raw is None:
        key = ec.generate_private_key(ec.SECP256R1())
        safe.write_secret(
            KEY_FILE,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        return key
    try:
        kept = serialization.load_pem_private_key(raw, None)
    except (ValueError, TypeError) as error:
        raise Corrupt(f"{KEY_FILE} in the data folder is damaged; delete it, and a new one is made") from error
    if not isinstance(kept, ec.EllipticCurvePrivateKey):
        raise Corrupt(f"{KEY_FILE} in the data folder is no P-256 key; delete it, and a new one is made")
    return kept


def _kept(
    safe: Safe, key: ec.EllipticCurvePrivateKey, at: Sequence[str], now: datetime.datetime
) -> x509.Certificate | None:
    raw = safe.read_secret(CERTIFICATE_FILE)
    if raw is None:
        return None
    try:
        kept = x509.load_pem_x509_certificate(raw)
        named = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    fits = (
        {str(one) for one in named.get_values_for_type(x509.IPAddress)} == {*at, "127.0.0.1"}
        and set(named.get_values_for_type(x509.DNSName)) == {"localhost", *names()}
        and kept.public_key() == key.public_key()
        and kept.not_valid_before_utc <= now < kept.not_valid_after_utc - RENEW
    )
    return kept if fits else None


def _make(key: ec.EllipticCurvePrivateKey, at: Sequence[str], now: datetime.datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ThatDAM node")])
    named: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(one)) for one in (*at, "127.0.0.1")]
    named += [x509.DNSName(name) for name in ("localhost", *sorted(names()))]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now - _DAY + LIFE)
        .add_extension(x509.SubjectAlternativeName(named), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
