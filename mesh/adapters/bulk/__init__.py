"""The bulk lane: chunks between two nodes over TLS 1.3 and TCP, beside the QUIC link that they have anyway."""
