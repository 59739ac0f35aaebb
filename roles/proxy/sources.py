"""What a source's URL says, and what of it may be shown.

``test:?size=1280x720&rate=25&tone=440``, ``file:PATH?loop``, ``rtsp://[user:password@]host[:port]/path``,
``v4l2:/dev/v4l/by-id/NAME?size=1280x720&rate=30``. Invariant: what ``public`` gives holds no credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

KINDS = ("test", "file", "rtsp", "rtsps", "v4l2")
URL_MAX = 4096


class SourceError(ValueError):
    """A source's URL is wrong; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source: its kind, its URL without credentials, and the credentials (``user:password``) apart."""

    kind: str
    public: str
    userinfo: str

    @property
    def url(self) -> str:
        """The whole URL, to open it with. Never to be shown, logged or stored in a row."""
        if not self.userinfo:
            return self.public
        parts = urlsplit(self.public)
        return urlunsplit(parts._replace(netloc=f"{self.userinfo}@{parts.netloc}"))

    def default_name(self) -> str:
        """A name for people, until they give one."""
        match self.kind:
            case "test":
                return "Test camera"
            case "file" | "v4l2":
                path = self.public.partition(":")[2].partition("?")[0]
                return path.rstrip("/").rpartition("/")[2] or self.public
            case _:
                return urlsplit(self.public).hostname or self.public


def parse(url: str) -> Source:
    """Read a source's URL; SourceError says what is wrong with it."""
    text = url.strip()
    if not text or len(text) > URL_MAX or any(ord(letter) < 32 for letter in text):
        raise SourceError("a source is a URL of at most 4096 printable characters")
    kind = text.partition(":")[0].lower() if ":" in text else ""
    if kind not in KINDS:
        known = "test:, file:PATH?loop, rtsp://host/path, v4l2:/dev/v4l/by-id/NAME"
        raise SourceError(f"{text.split('@')[-1][:60]!r} is no source; write one of {known}")
    if kind in ("rtsp", "rtsps"):
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise SourceError(f"this address is wrong: {error}") from None
        if not parts.hostname:
            raise SourceError("an RTSP camera is rtsp://host/path; the host is missing")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        netloc = host if port is None else f"{host}:{port}"
        userinfo = parts.netloc.rpartition("@")[0]
        return Source(kind, urlunsplit(parts._replace(scheme=kind, netloc=netloc)), userinfo)
    rest = text.partition(":")[2]
    if kind in ("file", "v4l2") and not rest.partition("?")[0]:
        raise SourceError(f"{kind}: needs a path, for example {kind}:/path/to/it")
    return Source(kind, f"{kind}:{rest}", "")


def with_userinfo(public: str, userinfo: str) -> Source:
    """Give a stored source back its credentials."""
    source = parse(public)
    return Source(source.kind, source.public, userinfo)
