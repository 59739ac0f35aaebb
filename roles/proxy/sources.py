"""What a source's URL says, and what of it may be shown.

``test:?size=1280x720&rate=25&tone=440``, ``file:PATH?loop``, ``rtsp://[user:password@]host[:port]/path``,
``v4l2:/dev/v4l/by-id/NAME?size=1280x720&rate=30``. Cameras take passwords in the user part, in the query and in the
path (``/user=admin&password=…``). Invariant: what ``public`` gives, and what a SourceError says, holds none of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

KINDS = ("test", "file", "rtsp", "rtsps", "v4l2")
URL_MAX = 4096
HIDDEN = "…"
"""Stands where something is not shown."""

_HOST = re.compile(r"[\w.:%-]{1,255}")
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,5}(\.[0-9]{1,6})?")
_PIXELS = re.compile(r"\w{1,16}", re.ASCII)
_TEST = "test: takes size (160x120 to 7680x4320), rate (1 to 120) and tone (0 to 20000 Hz): test:?size=1280x720&rate=25"
_V4L2 = (
    "v4l2: takes size (16x16 to 7680x7680), rate (1 to 240) and format: "
    "v4l2:/dev/v4l/by-id/NAME?size=1280x720&rate=30&format=mjpeg"
)
_FILE = "file: takes a path and, to begin again at its end, ?loop: file:/films/hall.mp4?loop"
_RTSP = "an RTSP camera is rtsp://user:password@host:554/path"


class SourceError(ValueError):
    """A source's URL is wrong; the text says what would be right, and repeats nothing that may be secret."""


@dataclass(frozen=True, slots=True)
class TestPicture:
    """What a test source shows: its size in pixels, pictures a second, and its tone in Hz (0: none)."""

    width: int
    height: int
    rate: float
    tone: float


@dataclass(frozen=True, slots=True)
class Source:
    """A source: its kind, its URL as it may be shown, and (``secret``) the whole URL where that is another."""

    kind: str
    public: str
    secret: str = ""

    @property
    def url(self) -> str:
        """The whole URL, to open it with. Never to be shown, logged or stored in a row that is."""
        return self.secret or self.public

    @property
    def path(self) -> str:
        """What a file or a device is called on the disk."""
        return self.public.partition(":")[2].partition("?")[0]

    def default_name(self) -> str:
        """A name for people, until they give one."""
        match self.kind:
            case "test":
                return "Test camera"
            case "file" | "v4l2":
                return self.path.rstrip("/").rpartition("/")[2] or self.public
            case _:
                return urlsplit(self.public).hostname or self.public


def parse(url: str) -> Source:
    """Read a source's URL; SourceError says what is wrong with it."""
    text = url.strip()
    if not text or len(text) > URL_MAX or not text.isprintable():
        raise SourceError("a source is a URL of at most 4096 printable characters")
    kind = text.partition(":")[0].lower() if ":" in text else ""
    rest = text.partition(":")[2]
    match kind:
        case "rtsp" | "rtsps":
            return _rtsp(kind, text)
        case "test":
            if rest and not rest.startswith("?"):
                raise SourceError(_TEST)
            read_test(rest)
        case "file" | "v4l2":
            path, _, query = rest.partition("?")
            if not path:
                raise SourceError(f"{kind}: needs a path, for example {kind}:/path/to/it")
            if kind == "v4l2":
                read_v4l2(query)
            elif set(query.split("&")) - {"", "loop"}:
                raise SourceError(_FILE)
        case _:
            raise SourceError(
                "this is no source; write one of test:, file:PATH?loop, rtsp://host/path, v4l2:/dev/v4l/by-id/NAME"
            )
    return Source(kind, f"{kind}:{rest}")


def read_test(query: str) -> TestPicture:
    """Read a test source's parameters; SourceError says what is taken."""
    given = _parameters(query, ("size", "rate", "tone"), _TEST)
    width, height = _size(given.get("size", "1280x720"), _TEST)
    rate, tone = _number(given.get("rate", "25"), _TEST), _number(given.get("tone", "440"), _TEST)
    if not (160 <= width <= 7680 and 120 <= height <= 4320 and 1 <= rate <= 120 and 0 <= tone <= 20000):
        raise SourceError(_TEST)
    return TestPicture(width, height, rate, tone)


def read_v4l2(query: str) -> dict[str, str]:
    """Read a capture device's parameters (size, rate, format); SourceError says what is taken."""
    given = _parameters(query, ("size", "rate", "format"), _V4L2)
    if "size" in given and not all(16 <= side <= 7680 for side in _size(given["size"], _V4L2)):
        raise SourceError(_V4L2)
    if "rate" in given and not 1 <= _number(given["rate"], _V4L2) <= 240:
        raise SourceError(_V4L2)
    if "format" in given and not _PIXELS.fullmatch(given["format"]):
        raise SourceError(_V4L2)
    return given


def stored(public: str, secret: str = "", userinfo: str = "") -> Source:
    """Give a stored source back what is kept apart: its whole URL, or (in old rows) its ``user:password`` alone."""
    if secret:
        return parse(secret)
    source = parse(public)
    if not userinfo or source.kind not in ("rtsp", "rtsps"):
        return source
    parts = urlsplit(source.url)
    return Source(source.kind, source.public, urlunsplit(parts._replace(netloc=f"{userinfo}@{parts.netloc}")))


def _rtsp(kind: str, text: str) -> Source:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # Its own text repeats what it could not read: the rest of a password that has a slash in it.
        raise SourceError(f"{_RTSP}; write / ? # and @ in a password as %2F %3F %23 and %40") from None
    if not host or not _HOST.fullmatch(host):
        raise SourceError(f"{_RTSP}; its host is missing or is none")
    if "@" in parts.path or ("@" not in parts.netloc and "@" in parts.query + parts.fragment):
        raise SourceError(f"{_RTSP}; write / ? # and @ in a password as %2F %3F %23 and %40")
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc += f":{port}"
    userinfo = parts.netloc.rpartition("@")[0]
    whole = urlunsplit(parts._replace(scheme=kind, netloc=f"{userinfo}@{netloc}" if userinfo else netloc, fragment=""))
    shown = SplitResult(kind, netloc, _shown_path(parts.path), HIDDEN if parts.query else "", "")
    public = urlunsplit(shown)
    return Source(kind, public, "" if public == whole else whole)


def _shown_path(path: str) -> str:
    return "/".join(HIDDEN if "=" in unquote(segment) else segment for segment in path.split("/"))


def _parameters(query: str, known: tuple[str, ...], usage: str) -> dict[str, str]:
    pairs = parse_qsl(query.lstrip("?"), keep_blank_values=True)
    given = dict(pairs)
    if len(pairs) != len(given) or set(given) - set(known):
        raise SourceError(usage)
    return given


def _size(text: str, usage: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise SourceError(usage)
    return int(found[1]), int(found[2])


def _number(text: str, usage: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise SourceError(usage)
    return float(text)
