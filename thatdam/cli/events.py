"""The verb ``events``: what happens anywhere in the mesh, as it happens, and what was missed."""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from mesh.adapters.clock import SystemClock
from thatdam.cli.client import Client, access_file, fail
from thatdam.cli.show import Data

if TYPE_CHECKING:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import ClientConnection

CLOSE_MISTAKE, CLOSE_OVER = 4400, 4401
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 5.0
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
"""How long Ctrl-C waits for a node that does not answer."""
EVENT_BYTES_MAX = 64 << 10
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGO = re.compile(r"(\d{1,6})([smhd])\Z")
_WHY = {
    "ring": "they were too old to be kept there",
    "restart": "it started anew, and keeps nothing from before its start",
    "unreachable": "it cannot be reached",
}


class GoneError(Exception):
    """The feed ended, and it may be had again."""


def events(
    topics: Annotated[list[str] | None, typer.Argument(help="what to tell of, as 'capture.*'; else all")] = None,
    after: Annotated[str, typer.Option(help="go on behind this cursor, which an event of any node carried")] = "",
    since: Annotated[str, typer.Option(help="begin then: 10m (ago), 2026-05-01 or 2026-05-01T12:00:00Z")] = "",
    data: Data = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, an event a line")] = False,
) -> None:
    """Tell what happens in the mesh, as it happens, until Ctrl-C; a node that goes is waited for."""
    if after and since:
        raise fail("say --after or --since, not both", 2)
    feed = Feed(data, topics or [], after, _moment(since) if since else "")
    try:
        for event in feed.events():
            if as_json:
                print(json.dumps(event), flush=True)
            elif line := _line(event, feed.names):
                print(line, flush=True)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        raise typer.Exit from None
    if feed.cursor:
        typer.secho(f"to go on from here: thatdam events --after {feed.cursor}", dim=True, err=True)


class Feed:
    """The feed of a node, opened again where it was whenever it breaks off."""

    def __init__(self, data: str, topics: list[str], after: str, since: str) -> None:
        self.cursor = after
        self._data = data
        self._topics = ",".join(topics)
        self._since = since
        self._names: dict[str, str] = {}
        self._opened = False

    def names(self, node: str) -> str:
        """Give what people call a node."""
        if node not in self._names:
            try:
                rows = Client(self._data).ask("GET", "/api/v1/nodes")["nodes"]
                self._names = {row["id"]: row["name"] for row in rows}
            except Exception:  # noqa: BLE001 - a name is a comfort: without one the id is shown
                self._names = {}
            self._names.setdefault(node, node[:8])
        return self._names[node]

    def events(self) -> Iterator[dict[str, Any]]:
        """Give events for ever."""
        wait_s, said = RETRY_FIRST_S, ""
        while True:
            try:
                for event in self._once():
                    wait_s, said = RETRY_FIRST_S, ""
                    yield event
            except GoneError as gone:
                if not self._opened:
                    raise fail(str(gone)) from None
                if said != str(gone):
                    said = str(gone)
                    typer.secho(f"{said}; trying again", dim=True, err=True)
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_MAX_S)

    def _once(self) -> Iterator[dict[str, Any]]:
        from websockets.exceptions import InvalidStatus, WebSocketException
        from websockets.sync.client import connect

        if self._opened and not access_file(self._data).exists():
            raise GoneError("the node is being started")
        client = Client(self._data)
        query = {"topics": self._topics, "after": self.cursor, "since": "" if self.cursor else self._since}
        url = f"{client.events_url}?{urlencode({name: value for name, value in query.items() if value})}"
        try:
            with connect(
                url,
                additional_headers=client.headers,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=EVENT_BYTES_MAX,
                proxy=None,
            ) as socket:
                yield from self._read(socket)
        except InvalidStatus as refused:
            if refused.response.status_code in (502, 503):
                raise GoneError(_sentence(refused)) from None
            raise fail(_sentence(refused)) from None
        except (OSError, TimeoutError, WebSocketException) as error:
            raise GoneError(f"the node does not answer at {client.base}; is `thatdam up` running? ({error})") from None

    def _read(self, socket: ClientConnection) -> Iterator[dict[str, Any]]:
        from websockets.exceptions import ConnectionClosed

        again = self._opened
        try:
            while True:
                event = json.loads(socket.recv())
                if again:
                    typer.secho("connected again; going on where it broke off", dim=True, err=True)
                    again = False
                self._opened = True
                self.cursor = event["cursor"]
                yield event
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else 1006
            reason = closed.rcvd.reason if closed.rcvd is not None else ""
            if code == CLOSE_MISTAKE:
                raise fail(reason, 2) from None
            if code == CLOSE_OVER:
                raise fail(reason) from None
            raise GoneError("the node broke off") from None


def _sentence(refused: InvalidStatus) -> str:
    try:
        return str(json.loads(refused.response.body or b"")["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the node answered {refused.response.status_code}"


def _moment(since: str) -> str:
    ago = _AGO.match(since.strip().lower())
    if ago is None:
        if since and not since[:4].isdigit():
            raise fail(f"--since {since!r} is no moment; write 10m, 2h or 3d, or a date as 2026-05-01T12:00:00Z", 2)
        return since
    then = SystemClock().wall() - int(ago[1]) * _UNITS_S[ago[2]]
    return datetime.datetime.fromtimestamp(then, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _line(event: dict[str, Any], names: Any) -> str:
    """Give an event for people; empty for one that tells them nothing."""
    topic, told = event["topic"], event["data"]
    if topic == "feed.position":
        return ""
    node = names(event["node"])
    if topic == "feed.missed":
        count = told["missed"]
        lost = f"events of {node} may be lost"
        if count is not None:
            lost = f"{count} event{'s' * (count != 1)} of {node} {'is' if count == 1 else 'are'} lost"
        return f"{event['at']}  {topic:<16}  {lost}: {_WHY.get(told['why'], told['why'])}"
    fields = "  ".join(f"{name}={'-' if value is None else _plain(value)}" for name, value in told.items())
    return f"{event['at']}  {topic:<16}  {fields}  ({node})"


def _plain(value: str) -> str:
    """Give a text that cannot make anything else of the line it stands in."""
    text = "".join(letter if letter.isprintable() else "?" for letter in value)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
