"""Tier 3: real nodes as processes, each on a host of its own where asked: network namespaces and nftables faults."""
