"""Plain TLS 1.3 over TCP between two processes, blocking sockets and nothing else: what moving bytes costs in Python.

``receive HOST FILE``: listen, print the port, write what comes to the file, with fsync; ``send HOST PORT FILE``. Both
print the CPU seconds of the transfer, the sender its seconds too.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mesh.adapters.bulk.tls import client_context, server_context
from mesh.core.identity import Authority, node_of_seed

BLOCK_BYTES = 256 << 10
_SEED = b"r" * 32
_AUTHORITY = Authority(b"a" * 32)


def receive(host: str, file: Path) -> None:
    """Take one transfer."""
    node = node_of_seed(_SEED)
    context = server_context(_AUTHORITY.admit(node, 0.0), _SEED, b"benchmark")
    with socket.create_server((host, 0)) as listening:
        _say(listening.getsockname()[1])
        with context.wrap_socket(listening.accept()[0], server_side=True) as made, file.open("wb") as out:
            cpu = time.process_time()
            left = int.from_bytes(made.recv(8), "big")
            block = memoryview(bytearray(BLOCK_BYTES))
            while left:
                size = made.recv_into(block[: min(left, BLOCK_BYTES)])
                out.write(block[:size])
                left -= size
            out.flush()
            os.fsync(out.fileno())
            made.sendall(b"durable")
            _say(time.process_time() - cpu)


def send(host: str, port: int, file: Path) -> None:
    """Make one transfer."""
    data = file.read_bytes()
    context = client_context((_AUTHORITY.certificate(),))
    with (
        socket.create_connection((host, port)) as raw,
        context.wrap_socket(raw, server_hostname=node_of_seed(_SEED)) as made,
    ):
        cpu, began = time.process_time(), time.monotonic()
        made.sendall(len(data).to_bytes(8, "big"))
        made.sendall(data)
        made.recv(16)
        _say(time.process_time() - cpu, time.monotonic() - began)


def copy(file: Path, into: Path, host: str, at: Sequence[str] = (), to: Sequence[str] = ()) -> tuple[float, float]:
    """Copy a file between two processes; gives seconds and CPU seconds. ``at``, ``to``: words before their commands."""
    command = (sys.executable, "-m", "simulations.hosts.plain_copy")
    with subprocess.Popen((*to, *command, "receive", host, str(into)), stdout=subprocess.PIPE, text=True) as taking:
        assert taking.stdout is not None
        port = taking.stdout.readline().strip()
        sent = subprocess.run(
            (*at, *command, "send", host, port, str(file)), capture_output=True, text=True, check=True, timeout=60
        )
        taken_cpu = float(taking.stdout.readline())
    sent_cpu, seconds = map(float, sent.stdout.split())
    return seconds, sent_cpu + taken_cpu


def _say(*values: float) -> None:
    sys.stdout.write(" ".join(map(str, values)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(sys.argv[2], Path(sys.argv[3]))
    else:
        send(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
