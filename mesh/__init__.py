"""The mesh: ports to the world, pure protocol cores, the actors that drive them, and the real adapters."""
