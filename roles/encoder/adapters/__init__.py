"""Where the encoder meets libav and models: worker processes and embedders."""
