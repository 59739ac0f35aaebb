"""Names people give and files get. A name is text that is shown; it becomes a file name only here.

Invariant: a safe file name has no folder in it, is no name that a system treats as a device, is not hidden, and fits
the file systems there are (255 bytes of UTF-8).
"""

from __future__ import annotations

FILE_NAME_BYTES_MAX = 240
"""Leaves room for ``.part`` in the 255 bytes that file systems take."""
_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{kind}{number}" for kind in ("com", "lpt") for number in "0123456789¹²³"}
)


def safe_file_name(name: str) -> str:
    """Give a file name, for any system, that looks like ``name``."""
    text = "".join("_" if letter in _FORBIDDEN or not letter.isprintable() else letter for letter in name)
    text = text.strip(". ")
    if not text.strip("_"):
        text = f"unnamed{text}"
    stem, dot, ending = text.rpartition(".")
    if text.partition(".")[0].rstrip(" ").lower() in _DEVICES:
        text = f"_{text}"
        stem, dot, ending = text.rpartition(".")
    ending = dot + ending if stem and len(ending) <= 16 else ""
    stem = text[: len(text) - len(ending)]
    room = FILE_NAME_BYTES_MAX - len(ending.encode("utf-8", "replace"))
    return stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore") + ending
