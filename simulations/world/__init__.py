"""The simulated world: event loop with virtual time, network, disk, clocks and entropy."""
