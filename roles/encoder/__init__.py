"""Encoder: leased jobs over assets: posters, L1 frames, L2 scenes, and the vectors they give."""
