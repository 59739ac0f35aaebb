"""What nodes tell each other of rows that changed, so that every node's viewers look again. Lost ones cost a delay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from proto.codec import Max, message

FIELDS_TOLD_MAX = 8


@message(1000)
class RowChanged:
    """A row was written; ``told`` is what of it anyone signed in may know, as short texts."""

    table: Annotated[str, Max(32)]
    pk: Annotated[str, Max(128)]
    removed: bool = False
    told: Annotated[Mapping[str, str], Max(FIELDS_TOLD_MAX)] = field(default_factory=dict)
