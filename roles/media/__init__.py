"""Pure media: access units, groups, CMAF parts, timelines, playlists. No libav, no clock, no file."""
