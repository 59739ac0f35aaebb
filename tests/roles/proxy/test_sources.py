"""What a source's URL may be, what of it is shown, and what is refused before anything is opened."""

import os
import stat
from types import SimpleNamespace

import pytest

from roles.proxy import presence
from roles.proxy.presence import capture_node, look
from roles.proxy.sources import SourceError, parse, stored


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("rtsp://user:S3cr3t@10.0.0.9:554/live?x=1", "rtsp://10.0.0.9:554/live?…"),
        ("rtsp://127.0.0.1:9/user=admin&password=S3cr3t", "rtsp://127.0.0.1:9/…"),
        ("rtsp://127.0.0.1:9/user%3Dadmin%26password%3DS3cr3t/ch1", "rtsp://127.0.0.1:9/…/ch1"),
        ("rtsp://h/s?user=admin&password=S3cr3t", "rtsp://h/s?…"),
        ("RTSP://h/s?S3cr3t#S3cr3t", "rtsp://h/s?…"),
        ("rtsps://u:S3cr3t@[fe80::1]:322/s", "rtsps://[fe80::1]:322/s"),
    ],
)
def test_what_a_source_shows_holds_no_credentials(url, public):
    source = parse(url)
    assert source.public == public
    assert "S3cr3t" in source.url
    assert source.url.lower() == url.partition("#")[0].lower()
    assert "S3cr3t" not in source.default_name()
    assert stored(source.public, source.secret) == source
    assert parse(source.public).public == source.public


def test_older_rows_are_opened_with_what_they_kept():
    assert stored("rtsp://h:554/live", "", "user:p%40ss").url == "rtsp://user:p%40ss@h:554/live"
    source = stored("rtsp://h/s?password=S3cr3t", "", "u:p")
    assert (source.public, source.url) == ("rtsp://h/s?…", "rtsp://u:p@h/s?password=S3cr3t")
    assert stored("rtsp://h/s?password=S3cr3t").url == "rtsp://h/s?password=S3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:S3cr3t/x@host/",
        "rtsp://admin:9/S3cr3t@host/",
        "rtsp://admin:9?S3cr3t@host/",
        "rtsp://admin:9#S3cr3t@host/",
        "rtsp://u:p@h:S3cr3t/x",
        "rtsp://[S3cr3t/x",
        "rtsp://S3cr3t\\x/y",
        "rtsp://h:99999/S3cr3t",
        "rtsp:///S3cr3t",
        "http://h/S3cr3t",
        "S3cr3t",
        "",
        "a\nb",
        "file:",
        "file:/films/a.mp4?S3cr3t",
        "v4l2:",
        "v4l2:/dev/video0?size=S3cr3t",
        "v4l2:/dev/video0?rate=241",
        "v4l2:/dev/video0?size=8x8",
        "v4l2:/dev/video0?standard=S3cr3t",
        "test:S3cr3t",
        "test:?size=abc",
        "test:?size=99999x99999&rate=0",
        "test:?size=640x480&size=640x480",
        "test:?rate=nan",
        "test:?rate=0",
        "test:?tone=-1",
        "test:?S3cr3t=1",
    ],
)
def test_what_can_never_work_is_refused_and_nothing_of_it_repeated(url):
    with pytest.raises(SourceError) as found:
        parse(url)
    told = str(found.value)
    assert "S3cr3t" not in told
    assert len(told) > 20


@pytest.mark.parametrize(
    "url", ["test:", "test:?", "test:?size=1280x720&rate=29.97&tone=0", "v4l2:/dev/video0?rate=30"]
)
def test_what_can_work_is_taken(url):
    assert parse(url).url == url


def test_a_file_is_looked_for_in_the_folders_of_the_node_alone(tmp_path):
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "film.mp4").write_bytes(b"x")
    (tmp_path / "out.mp4").write_bytes(b"x")
    (inside / "link.mp4").symlink_to(tmp_path / "out.mp4")
    (inside / "loop.mp4").symlink_to(inside / "loop.mp4")
    os.mkfifo(inside / "pipe.mp4")
    folders = [str(inside)]
    look(parse(f"file:{inside}/film.mp4?loop"), folders)
    for path in ("/etc/passwd", f"{inside}/link.mp4", f"{inside}/../out.mp4", f"{tmp_path}/not-there"):
        with pytest.raises(SourceError, match="outside the folders") as found:
            look(parse(f"file:{path}?loop"), folders)
        assert str(inside) in str(found.value)
    for name in ("gone.mp4", "loop.mp4", "pipe.mp4", ""):
        with pytest.raises(SourceError):
            look(parse(f"file:{inside}/{name}"), folders)
    with pytest.raises(SourceError, match="--file-folder"):
        look(parse(f"file:{inside}/film.mp4"), [])


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/null", "/dev/not-there", "/dev", "/proc/self/mem", "video0"])
def test_only_a_capture_device_is_opened_as_one(path):
    with pytest.raises(SourceError, match="video capture devices under /dev"):
        capture_node(path)


def test_a_capture_device_is_known_by_its_kind_and_number(tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "DEVICES", tmp_path)
    (tmp_path / "video0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "video0")
    status = SimpleNamespace(st_mode=stat.S_IFCHR | 0o660, st_rdev=os.makedev(81, 0))
    real = presence.Path.stat
    faked = lambda self, **words: status if self.name == "video0" else real(self, **words)  # noqa: E731
    monkeypatch.setattr(presence.Path, "stat", faked)
    assert capture_node(str(tmp_path / "by-id")) == tmp_path / "video0"
    status.st_rdev = os.makedev(1, 3)
    with pytest.raises(SourceError):
        capture_node(str(tmp_path / "by-id"))
