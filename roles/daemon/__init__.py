"""Daemon: records a track at full quality while it is shown live."""
