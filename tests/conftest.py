"""What all tests start from: how long a draw takes says nothing about the code; Ctrl-C reaches what they start."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Of tests that a shell runs in the background: what they start would inherit that Ctrl-C does nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
