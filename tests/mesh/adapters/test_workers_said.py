"""What a worker's libraries say is told at the level they say it at."""

import logging

import pytest

from mesh.adapters.workers import level_of


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", logging.DEBUG),
        ("I0000 00:00:1795827600.123456    4242 gl_context.cc:369] GL version: 3.2", logging.DEBUG),
        ("2026-11-28 01:02:03.456789: I tensorflow/core/util/port.cc:153] oneDNN is on", logging.DEBUG),
        ("WARNING: All log messages before absl::InitializeLog() is called are written to STDERR", logging.DEBUG),
        ("W0000 00:00:1795827600.123456    4242 inference.cc:1] feedback tensors", logging.WARNING),
        ("2026-11-28 01:02:03.456789: W tensorflow/core/a.cc:1] slow", logging.WARNING),
        ("E1128 01:02:03.456789    4242 x.cc:1] no device", logging.ERROR),
        ("ERROR: something", logging.ERROR),
        ("Traceback (most recent call last):", logging.WARNING),
        ("Information is no level", logging.WARNING),
        ("I am no level either", logging.WARNING),
    ],
)
def test_a_line_has_its_own_level(line, level):
    assert level_of(line) == level
