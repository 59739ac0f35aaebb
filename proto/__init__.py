"""The wire: ids, frames, envelope, messages and their versions. Imports the standard library and cbor2 only."""
