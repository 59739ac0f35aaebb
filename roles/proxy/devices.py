"""Lists capture devices, and looks whether sources are there, off the event loop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from mesh.ports import Executor
from proto.messages.cameras import Device
from roles.proxy.presence import look
from roles.proxy.sources import Source


class DeviceLister:
    """Asks the platform for its capture devices."""

    def __init__(self, executor: Executor, enumerate_devices: Callable[[], Sequence[Device]]) -> None:
        self._executor = executor
        self._enumerate = enumerate_devices

    async def look(self, source: Source, folders: Sequence[str]) -> None:
        """Look whether a file or a device is there; SourceError says what is wrong."""
        if source.kind in ("file", "v4l2"):
            await self._executor.run(look, source, folders)

    async def list(self) -> tuple[list[Device], str]:
        """Give the devices, and a sentence when there is none or there can be none."""
        if sys.platform != "linux":
            return [], f"listing cameras is not there yet on {sys.platform}; add one by URL (rtsp://, file:, test:)"
        devices = list(await self._executor.run(self._enumerate))
        return devices, "" if devices else "no capture device is plugged in"
