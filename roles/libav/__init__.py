"""libav, safely opened: what roles' worker processes share. Only worker processes import it."""
