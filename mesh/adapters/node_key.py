"""The node's key and its hold on the data folder.

Invariant: a data folder belongs to one running node at a time; its key is made once and readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mesh.ports import Corrupt, Entropy, Refused, Unavailable
from proto.ids import NodeId, node_id_of

try:
    import fcntl
except ImportError:  # Windows: opening the file for itself is the lock
    fcntl = None  # type: ignore[assignment]


class DataFolder:
    """A data folder held by this process until ``release``."""

    def __init__(self, root: Path, entropy: Entropy) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(PermissionError):  # somebody else's folder that this node may use
                root.chmod(0o700)  # cameras' passwords are in the database, whatever the umask
            self._lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except FileExistsError as error:
            raise Unavailable(f"cannot use the data folder {root}: it is a file") from error
        except OSError as error:
            raise Unavailable(f"cannot use the data folder {root}: {error.strerror}") from error
        if fcntl is not None:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._lock)
                raise Refused(f"another node uses the data folder {root}; stop it, or give this one --data") from error
        self.key = self._load_key(entropy)
        self.node_id: NodeId = node_id_of(self.key.public_key().public_bytes_raw())

    def _load_key(self, entropy: Entropy) -> Ed25519PrivateKey:
        raw = self.read_secret("node.key")
        if raw is None:
            raw = entropy.token(32)
            self.write_secret("node.key", raw)
        if len(raw) != 32:
            raise Corrupt(f"{self.root / 'node.key'} is damaged; put it back from a copy, or use another data folder")
        return Ed25519PrivateKey.from_private_bytes(raw)

    def read_secret(self, name: str) -> bytes | None:
        """Give a small private file, or None when there is none."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot read {self.root / name}: {error.strerror}") from error

    def write_secret(self, name: str, data: bytes) -> None:
        """Write a small file that only its owner can read, durably."""
        path, tmp = self.root / name, self.root / f".{name}.new"
        descriptor = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(tmp, path)
        if fcntl is not None:  # Windows cannot sync a folder
            folder = os.open(self.root, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def release(self) -> None:
        """Let another process have the folder."""
        with contextlib.suppress(OSError):
            os.close(self._lock)
