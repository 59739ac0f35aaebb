"""The promises of a mesh, checked from what its users saw and what its machines hold; never from how it is made."""
