"""Storage: chunks, catalogue partitions and index shards of this node."""
