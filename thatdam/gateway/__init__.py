"""The gateway: REST, events, WHEP, HLS, MJPEG, MP4, sign-in, metrics and the viewer, over HTTP."""
