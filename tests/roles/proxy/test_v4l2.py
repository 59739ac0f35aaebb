"""Capture devices of a kernel that is played: cameras alone, by names that last, as they really are."""

import errno
import os

import pytest

from roles.proxy.adapters import v4l2

YUYV, MJPG = (int.from_bytes(name, "little") for name in (b"YUYV", b"MJPG"))
CAPTURE, STREAMING, M2M, META, DEVICE_CAPS = 1, 0x04000000, 0x8000, 0x00800000, 1 << 31
DISCRETE, STEPWISE = 1, 3


class Kernel:
    """Answers the ioctls of devices: node name -> (card, capabilities, {format: [(sizes type, values, rates)]})."""

    def __init__(self, **devices):
        self.devices = devices

    def __call__(self, descriptor, request, argument):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        card, caps, formats = self.devices[name]
        if request == v4l2._QUERYCAP:
            argument.card = card
            argument.capabilities = caps | DEVICE_CAPS | CAPTURE  # of all its nodes together
            argument.device_caps = caps
            return
        try:
            if request == v4l2._ENUM_FMT:
                argument.pixelformat = list(formats)[argument.index]
            elif request == v4l2._ENUM_FRAMESIZES:
                kind, values, _ = formats[argument.pixel_format][argument.index]
                argument.type = kind
                argument.values[: len(values)] = values
            else:
                assert request == v4l2._ENUM_FRAMEINTERVALS
                rates = next(rates for _, values, rates in formats[argument.pixel_format] if argument.width in values)
                argument.type = DISCRETE
                argument.values[0], argument.values[1] = rates[argument.index]
        except (IndexError, StopIteration):
            raise OSError(errno.EINVAL, "no more") from None


@pytest.fixture
def folder(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).touch()
        return tmp_path

    return make


def test_cameras_are_listed_with_their_real_formats_and_decoders_are_not(folder):
    formats = {
        YUYV: [(DISCRETE, (640, 480), [(1, 30), (1, 15)])],
        MJPG: [(DISCRETE, (1920, 1080), [(1, 30)]), (DISCRETE, (1280, 720), [(1001, 30000)])],
    }
    kernel = Kernel(
        video0=(b"Webcam", CAPTURE | STREAMING, formats),
        video1=(b"Webcam", META | STREAMING, {}),
        video2=(b"Reads only", CAPTURE, formats),
        video10=(b"Decoder", M2M | CAPTURE | STREAMING, formats),
        video11=(b"Grabber", CAPTURE | STREAMING, {YUYV: [(STEPWISE, (32, 800, 2, 32, 600, 2), [(1, 25)])]}),
        video12=(b"Nothing", CAPTURE | STREAMING, {}),
    )
    listed = v4l2.devices(folder(*kernel.devices), kernel)
    assert [device.name for device in listed] == ["Webcam", "Grabber"]
    assert [(one.format, one.width, one.height, one.rates) for one in listed[0].formats] == [
        ("YUYV", 640, 480, (30.0, 15.0)),
        ("MJPG", 1920, 1080, (30.0,)),
        ("MJPG", 1280, 720, (29.97,)),
    ]
    assert [(one.width, one.height) for one in listed[1].formats] == [(800, 600)]


def test_a_name_that_lasts_is_taken_before_one_that_changes_with_the_port(folder):
    kernel = Kernel(
        **{f"video{number}": (b"Cam", CAPTURE | STREAMING, {YUYV: [(1, (640, 480), [(1, 30)])]}) for number in range(3)}
    )
    dev = folder(*kernel.devices)
    for place, links in (
        ("by-id", {"usb-Cam_123-index0": 0}),
        ("by-path", {"pci-1-video-index0": 0, "pci-2-video-index0": 1}),
    ):
        (dev / "v4l" / place).mkdir(parents=True)
        for name, number in links.items():
            (dev / "v4l" / place / name).symlink_to(f"../../video{number}")
    assert [device.url for device in v4l2.devices(dev, kernel)] == [
        f"v4l2:{dev}/v4l/by-id/usb-Cam_123-index0",
        f"v4l2:{dev}/v4l/by-path/pci-2-video-index0",
        f"v4l2:{dev}/video2",
    ]


def test_a_device_that_fails_or_may_not_be_opened_does_not_hide_the_others(folder, monkeypatch):
    kernel = Kernel(
        video0=(b"Cam", CAPTURE | STREAMING, {YUYV: [(1, (640, 480), [(1, 30)])]}),
        video1=(b"Locked", 0, {}),
    )
    dev = folder("video0", "video1", "video2")
    real_open = os.open

    def opened(path, flags):
        if str(path).endswith("video1"):
            raise PermissionError(errno.EACCES, "no")
        return real_open(path, flags)

    def broken(descriptor, request, argument):
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("video2"):
            raise OSError(errno.EIO, "unplugged")
        return kernel(descriptor, request, argument)

    monkeypatch.setattr(v4l2.os, "open", opened)
    listed = v4l2.devices(dev, broken)
    assert [(device.name, device.error[:13]) for device in listed] == [("Cam", ""), ("video1", "no permission")]
