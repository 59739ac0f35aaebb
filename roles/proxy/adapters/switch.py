"""Whether JPEG pictures are wanted, and when the next one is due."""

from __future__ import annotations

import time

PICTURES_PER_S = 10.0


class Pictures:
    """A switch the node turns; pictures are made only while it is on."""

    def __init__(self) -> None:
        self.wanted = False
        self._next = 0.0

    def due(self) -> bool:
        """Tell whether a picture shall be made now."""
        now = time.monotonic()
        if not self.wanted or now < self._next:
            return False
        self._next = max(self._next + 1 / PICTURES_PER_S, now - 1 / PICTURES_PER_S)
        return True
