"""What a node's log leaves out: what is nobody's trouble."""

import asyncio
import logging
import socket
import ssl
import time

import pytest
import structlog
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from mesh.adapters.quic.gate import ALPN_MESH
from proto.ids import NodeId
from tests.mesh.adapters.quic_world import run, until
from thatdam import logs
from thatdam.config import LogConfig


@pytest.fixture(autouse=True)
def _restored():
    root, quic, said_by = logging.getLogger(), logging.getLogger("quic"), structlog.get_config()
    handlers, filters = root.handlers[:], quic.filters[:]
    levels = {name: logging.getLogger(name).level for name in (None, *logs.CHATTY)}
    yield
    structlog.configure(**said_by)
    root.handlers[:], quic.filters[:] = handlers, filters
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.parametrize(("level", "told"), [("info", False), ("debug", True)])
def test_the_goodbye_of_a_dialler_whose_first_packet_was_lost_is_no_warning(capsys, level, told):
    logs.configure(LogConfig(level=level), NodeId(""))

    async def case(mesh):
        node = await mesh.node()
        now = time.monotonic()
        dialler = QuicConnection(
            configuration=QuicConfiguration(is_client=True, alpn_protocols=[ALPN_MESH], verify_mode=ssl.CERT_NONE)
        )
        dialler.connect(node.host, now)
        dialler.datagrams_to_send(now)  # lost on the way
        dialler.close(reason_phrase="given up")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            for data, _ in dialler.datagrams_to_send(now):
                sending.sendto(data, node.host)
        await until(lambda: node.network._driver.received > 0)
        await until(lambda: not node.carriers)
        await asyncio.sleep(0)

    run(case)
    lines = [line for line in capsys.readouterr().err.splitlines() if "CRYPTO" in line]
    assert bool(lines) == told, lines
    assert not any("warning" in line for line in lines)
