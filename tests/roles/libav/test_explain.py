"""What is said of a camera that fails never holds its password."""

import inspect

import av.error
import pytest

from roles.libav.policy import explain
from roles.proxy.adapters.wire import Config

URL = "rtsp://user:s3cretpw@10.0.0.9/live"
KINDS = [
    kind
    for _, kind in inspect.getmembers(av.error, inspect.isclass)
    if issubclass(kind, av.error.FFmpegError) and kind is not av.error.UndefinedError
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_error_of_libav_tells_the_url(kind):
    assert "s3cretpw" not in explain(kind(1, "no luck", URL), "rtsp://10.0.0.9/live")


def test_an_error_of_another_kind_tells_only_its_kind():
    assert "s3cretpw" not in explain(ValueError(f"cannot open {URL}"), "cam")


def test_a_long_url_reaches_the_worker():
    config = Config("rtsp://h/" + "x" * 3000, "rtsp://h/" + "x" * 3000)
    assert Config.unpack(config.pack()) == config
