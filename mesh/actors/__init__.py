"""Actors: references, bounded mailboxes, supervision, and the drivers that perform a core's effects."""
