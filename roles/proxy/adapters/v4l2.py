"""V4L2 capture devices (Linux): their stable names and what they really give.

Asks the kernel by ioctl (linux/videodev2.h): only nodes with the capture and streaming capabilities are cameras;
decoder and metadata nodes are not. The stable name is udev's by-id link, else by-path, else the node.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from proto.messages.cameras import Device, DeviceFormat

_CAPTURE, _CAPTURE_MPLANE, _M2M, _M2M_MPLANE, _STREAMING, _DEVICE_CAPS = 1, 0x1000, 0x8000, 0x4000, 0x04000000, 1 << 31
_TYPE_CAPTURE = 1
_DISCRETE = 1
Ioctl = Callable[[int, int, ctypes.Structure], object]


class _Capability(ctypes.Structure):
    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("device_caps", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    )


class _Format(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", ctypes.c_uint32),
        ("mbus_code", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    )


class _FrameSize(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_uint32),
        ("pixel_format", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("values", ctypes.c_uint32 * 6),
        ("reserved", ctypes.c_uint32 * 2),
    )


class _FrameInterval(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_uint32),
        ("pixel_format", ctypes.c_uint32),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("values", ctypes.c_uint32 * 6),
        ("reserved", ctypes.c_uint32 * 2),
    )


def _number(direction: int, index: int, kind: type[ctypes.Structure]) -> int:
    return direction << 30 | ctypes.sizeof(kind) << 16 | ord("V") << 8 | index


_QUERYCAP = _number(2, 0, _Capability)
_ENUM_FMT = _number(3, 2, _Format)
_ENUM_FRAMESIZES = _number(3, 74, _FrameSize)
_ENUM_FRAMEINTERVALS = _number(3, 75, _FrameInterval)


def _ioctl(descriptor: int, request: int, argument: ctypes.Structure) -> object:
    return fcntl.ioctl(descriptor, request, argument)


def devices(folder: Path = Path("/dev"), ioctl: Ioctl = _ioctl) -> list[Device]:
    """Give the capture devices under a device folder, in the order of their nodes. Blocking."""
    found: list[Device] = []
    nodes = sorted(folder.glob("video*"), key=lambda path: (len(path.name), path.name))
    for node in nodes:
        try:
            descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == 13:
                text = "no permission; add yourself to the group `video` and sign in again"
                found.append(Device(f"v4l2:{node}", node.name, str(node), (), text))
            continue
        try:
            device = _device(folder, node, descriptor, ioctl)
        except OSError:
            device = None
        finally:
            os.close(descriptor)
        if device is not None:
            found.append(device)
    return found


def _device(folder: Path, node: Path, descriptor: int, ioctl: Ioctl) -> Device | None:
    capability = _Capability()
    ioctl(descriptor, _QUERYCAP, capability)
    caps = capability.device_caps if capability.capabilities & _DEVICE_CAPS else capability.capabilities
    if not caps & (_CAPTURE | _CAPTURE_MPLANE) or not caps & _STREAMING or caps & (_M2M | _M2M_MPLANE):
        return None
    formats = tuple(_formats(descriptor, ioctl))
    if not formats:
        return None
    stable = _stable_name(folder, node)
    return Device(f"v4l2:{stable}", capability.card.decode(errors="replace"), str(stable), formats)


def _stable_name(folder: Path, node: Path) -> Path:
    for place in ("v4l/by-id", "v4l/by-path"):
        for link in sorted((folder / place).glob("*")):
            if link.resolve() == node.resolve():
                return link
    return node


def _listed(
    descriptor: int, request: int, make: Callable[[int], ctypes.Structure], ioctl: Ioctl
) -> Iterator[ctypes.Structure]:
    for index in range(256):
        asked = make(index)
        try:
            ioctl(descriptor, request, asked)
        except OSError:
            return
        yield asked


def _formats(descriptor: int, ioctl: Ioctl) -> Iterator[DeviceFormat]:
    for shape in _listed(descriptor, _ENUM_FMT, lambda index: _Format(index=index, type=_TYPE_CAPTURE), ioctl):
        assert isinstance(shape, _Format)
        pixel = int(shape.pixelformat)
        name = pixel.to_bytes(4, "little").decode("ascii", errors="replace").strip()
        for size in _sizes(descriptor, pixel, ioctl):
            discrete = size.type == _DISCRETE
            width, height = (size.values[0], size.values[1]) if discrete else (size.values[1], size.values[4])
            yield DeviceFormat(name, width, height, tuple(_rates(descriptor, pixel, width, height, ioctl)))


def _sizes(descriptor: int, pixel: int, ioctl: Ioctl) -> Iterator[_FrameSize]:
    def make(index: int) -> _FrameSize:
        return _FrameSize(index=index, pixel_format=pixel)

    for size in _listed(descriptor, _ENUM_FRAMESIZES, make, ioctl):
        assert isinstance(size, _FrameSize)
        yield size


def _rates(descriptor: int, pixel: int, width: int, height: int, ioctl: Ioctl) -> Iterator[float]:
    def make(index: int) -> _FrameInterval:
        return _FrameInterval(index=index, pixel_format=pixel, width=width, height=height)

    for interval in _listed(descriptor, _ENUM_FRAMEINTERVALS, make, ioctl):
        assert isinstance(interval, _FrameInterval)
        numerator, denominator = interval.values[0], interval.values[1]
        if numerator:
            yield round(denominator / numerator, 3)
        if interval.type != _DISCRETE:
            return
