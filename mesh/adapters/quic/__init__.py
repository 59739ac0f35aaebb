"""Links over QUIC: the engine seam, aioquic behind it, our own UDP driver, the proof, links and the network."""
