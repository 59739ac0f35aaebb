"""``thatdam up``: runs a node until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from mesh.core.access import Denied, Role
from mesh.ports import PortError, Unavailable
from proto.ids import NodeId
from thatdam import lan, logs
from thatdam.cli.people import login_url
from thatdam.config import Config
from thatdam.gateway.app import application
from thatdam.node import Node
from thatdam.places import ACCESS_FILE

TOKEN_DAYS = 365.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the node's own loop answers Ctrl-C, so that takes end whole


def _listen(port: int, address: str = "127.0.0.1") -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        where = "" if address == "127.0.0.1" else f" at {address}"
        raise Unavailable(f"port {port} is taken{where}; give another with --port, or 0 for a free one") from error
    return listening


def _listen_lan(port: int) -> list[socket.socket]:
    """Listen at every LAN address, on the port that loopback has."""
    at = lan.addresses()
    if not at:
        raise Unavailable("this machine has no LAN address now; connect it to a network, or leave --lan out")
    listening: list[socket.socket] = []
    try:
        listening.extend(_listen(port, address) for address in at)
    except BaseException:
        for one in listening:
            one.close()
        raise
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
    return await node.access.add_token(f"command line of {node.name}", Role.ADMIN, TOKEN_DAYS)


def _tell(node: Node, url: str, folders: Sequence[str]) -> None:
    print(f"node    {node.name} ({node.node_id})\nmesh    {node.mesh}{_company(node)}\ndata    {node.data}")
    for role, (taken, why) in node.roles.items():
        print(f"{'role' if taken else 'no role'}    {role}: {why}")
    if not any(taken for taken, _ in node.roles.values()):
        print("warning this node takes no role: it is of the mesh, and of no use to it yet")
    for folder in folders:
        if not Path(folder).expanduser().is_dir():
            print(f"warning {folder} is no folder now: nothing in it can be played as a camera")
    print(f"API     {url}/api/v1/openapi.json")
    print(f"viewer  {login_url(url, node.access.login_link_token())}")
    print("        opens once, within ten minutes; `thatdam login` prints another", flush=True)


def _company(node: Node) -> str:
    if node.standing.alone:
        return ", this node alone; for more, `thatdam invite`, or start every node with one secret (`thatdam secret`)"
    return ", at " + ", ".join(f"{host}:{port}" for host, port in node.network.listening())


def _tell_lan(node: Node, urls: list[str], leaf: lan.LanCertificate) -> None:
    link = login_url(urls[0], node.access.login_link_token())
    print("phones  " + "  ".join(urls))
    print("        the browser warns, as nobody but this node vouches for it; go on if the fingerprint is")
    print(f"        {leaf.fingerprint}")
    if (sys.stdout.encoding or "").lower().startswith("utf"):
        print("        scan to open it signed in, once, within ten minutes; or open the link below the picture")
        import segno

        segno.make(link, error="l", micro=False).terminal(out=sys.stdout, compact=True, border=2)
    print(f"        {link}", flush=True)


def _server(app: FastAPI, leaf: lan.LanCertificate | None = None) -> _Server:
    """Give a server of the application: HTTP, or HTTPS with a certificate."""
    return _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            ws_max_size=4096,
            ssl_certfile=leaf.certificate if leaf else None,
            ssl_keyfile=leaf.key if leaf else None,
        )
    )


async def serve(config: Config) -> None:
    """Run a node; PortError says what is in the way."""
    listening = _listen(config.http.port)
    outside: list[socket.socket] = []
    try:
        port = int(listening.getsockname()[1])
        if config.http.lan:
            outside = _listen_lan(port)
        logs.configure(config.log, NodeId(""))
        node = await Node.start(config, lan.url(outside[0].getsockname()[0], port) if outside else "")
        logs.configure(config.log, node.node_id)
    except BaseException:
        for one in (listening, *outside):
            one.close()
        raise
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        access = {"url": url, "token": await _token(node)}
        node.safe.write_secret(ACCESS_FILE, json.dumps(access).encode())
        app = application(node, lan.names() if outside else frozenset())
        servers = [_server(app)]
        for one in (listening, *outside):
            one.listen(128)  # who reads the URL may open it at once
        _tell(node, url, config.proxy.file_folders)
        if outside:
            at = [str(one.getsockname()[0]) for one in outside]
            leaf = lan.certificate(node.data, node.safe, at, node.now_ms() / 1000)
            servers.append(_server(app, leaf))
            _tell_lan(node, [lan.url(address, port) for address in at], leaf)
        else:
            print("phones  this machine alone can open the viewer; `thatdam up --lan` serves it on the LAN too")
        print("stop    Ctrl-C; running takes are finished first", flush=True)
        loop = asyncio.get_running_loop()
        sockets = [[listening], outside]
        serving = [loop.create_task(one.serve(sockets=at)) for one, at in zip(servers, sockets, strict=False)]
        stopping = _stop_asked()
        await asyncio.wait([*serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        print("stopping; running takes are finished first", flush=True)
        for server in servers:
            server.should_exit = server.force_exit = True
        await asyncio.gather(*serving)
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
