"""Where a node's things lie on its machine: known to the verbs too, which read no settings."""

from __future__ import annotations

from pathlib import Path

import platformdirs

ACCESS_FILE = "cli.json"
"""In the data folder: how the verbs of this machine reach the node."""


def default_data_folder() -> Path:
    """Give the platform's place for a node's data."""
    return Path(platformdirs.user_data_dir("thatdam", appauthor=False))


def settings_file() -> Path:
    """Give the platform's place for the settings."""
    return Path(platformdirs.user_config_dir("thatdam", appauthor=False)) / "thatdam.toml"
