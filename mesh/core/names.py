"""Names people give, and the file names that are made of them. A name is text to show; it is never a path.

Invariant: a kept name is one line that reads in one direction. A safe file name has no folder in it, is none that a
system treats as a device, is not hidden, and fits the file systems there are (255 bytes of UTF-8).
"""

from __future__ import annotations

import unicodedata

NAME_CHARS_MAX = 255
FILE_NAME_BYTES_MAX = 240
"""Leaves room for an ending of our own in the 255 bytes that file systems take."""
_UNSEEN = ("Cc", "Cs", "Zl", "Zp")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{kind}{number}" for kind in ("com", "lpt") for number in "0123456789¹²³"}
)


def is_line(name: str) -> bool:
    """Tell whether a name can be kept as it is: printable text on one line, and something to see in it."""
    return bool(name.strip()) and name.isprintable()


def clean_name(name: str) -> str:
    """Give a name as it is kept and shown: controls, line ends and what turns the reading order are replaced."""
    shown = "".join("\N{REPLACEMENT CHARACTER}" if _unseen(letter) else letter for letter in name).strip()
    return shown[:NAME_CHARS_MAX] or "unnamed"


def safe_file_name(name: str) -> str:
    """Give a file name, for any system, that looks like ``name``."""
    text = "".join("_" if letter in _FORBIDDEN or _unseen(letter) else letter for letter in name)
    text = text.strip().strip(". ").strip()
    if not text.strip("_"):
        text = f"unnamed{text}"
    if text.partition(".")[0].rstrip().lower() in _DEVICES:
        text = f"_{text}"
    stem, dot, ending = text.rpartition(".")
    ending = dot + ending if stem and len(ending) <= 16 else ""
    stem = text[: len(text) - len(ending)]
    room = FILE_NAME_BYTES_MAX - len(ending.encode())
    return (stem.encode()[:room].decode("utf-8", "ignore") + ending).strip(". ").strip()


def _unseen(letter: str) -> bool:
    return unicodedata.category(letter) in _UNSEEN or letter in _TURNING
