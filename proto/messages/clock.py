"""What a node's own clock shows. Numbers 390-399 of the catalogue's."""

from __future__ import annotations

from proto.codec import message


@message(390)
class AskClock:
    """What does your machine's clock show?"""


@message(391)
class ClockShown:
    """UTC milliseconds since 1970, uncorrected."""

    wall_ms: int
