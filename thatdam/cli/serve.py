"""``thatdam up``: runs a node until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

from mesh.core.access import Denied, Role
from mesh.ports import PortError, Unavailable
from thatdam import logs
from thatdam.cli.client import ACCESS_FILE
from thatdam.cli.people import login_url
from thatdam.config import Config
from thatdam.gateway.app import application
from thatdam.node import Node

TOKEN_DAYS = 365.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the node's own loop answers Ctrl-C, so that takes end whole


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise Unavailable(f"port {port} is taken; give another with --port, or 0 for a free one") from error
    return listening


def _stop_asked() -> asyncio.Future[None]:
    """Give what is done at the first Ctrl-C or SIGTERM; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[None] = loop.create_future()

    def ask() -> None:
        if asked.done():
            raise SystemExit(130)
        asked.set_result(None)

    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C comes as KeyboardInterrupt
            loop.add_signal_handler(name, ask)
    return asked


async def _token(node: Node) -> str:
    kept = node.safe.read_secret(ACCESS_FILE)
    if kept is not None:
        with contextlib.suppress(ValueError, KeyError, Denied):
            token = str(json.loads(kept)["token"])
            await node.access.whose_token(token)
            return token
    return await node.access.add_token("command line of this machine", Role.ADMIN, TOKEN_DAYS)


def _tell(node: Node, url: str) -> None:
    print(f"node    {node.name} ({node.node_id})\nmesh    {node.mesh}{_company(node)}\ndata    {node.data}")
    for role, (taken, why) in node.roles.items():
        print(f"{'role' if taken else 'no role'}    {role}: {why}")
    print(f"API     {url}/api/v1/openapi.json")
    print(f"viewer  {login_url(url, node.access.login_link_token())}")
    print("        opens once, within ten minutes; `thatdam login` prints another", flush=True)


def _company(node: Node) -> str:
    if node.standing.alone:
        return ", this node alone; for more, start every node with one secret (`thatdam secret`)"
    return ", at " + ", ".join(f"{host}:{port}" for host, port in node.network.listening())


async def serve(config: Config) -> None:
    """Run a node; PortError says what is in the way."""
    listening = _listen(config.http.port)
    try:
        node = await Node.start(config)
        logs.configure(config.log, node.node_id)
    except BaseException:
        listening.close()
        raise
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        access = {"url": url, "token": await _token(node)}
        node.safe.write_secret(ACCESS_FILE, json.dumps(access).encode())
        settings = uvicorn.Config(
            application(node),
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            ws_max_size=4096,
        )
        server = _Server(settings)
        _tell(node, url)
        print("stop    Ctrl-C; running takes are finished first", flush=True)
        loop = asyncio.get_running_loop()
        serving = loop.create_task(server.serve(sockets=[listening]))
        stopping = _stop_asked()
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        print("stopping; running takes are finished first", flush=True)
        server.should_exit = True
        server.force_exit = True
        await serving
    finally:
        await node.stop()


def run(config: Config) -> int:
    """Run a node on a loop of its own; gives the exit status."""
    try:
        if sys.platform == "win32":
            asyncio.run(serve(config))
        else:
            import uvloop

            uvloop.run(serve(config))
    except KeyboardInterrupt:
        return 0
    except PortError as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0
