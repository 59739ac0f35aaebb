"""The real world behind the ports: QUIC, disk, SQLite, vector indexes, processes, mDNS, clocks, entropy."""
