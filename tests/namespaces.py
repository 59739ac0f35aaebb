"""Marks a test that makes hosts of its own."""

import os
import shutil

import pytest

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None,
    reason="needs root, iproute2 and nftables for network namespaces",
)
