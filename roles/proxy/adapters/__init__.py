"""Where the proxy meets libav and devices: the worker process and the source kinds it opens."""
