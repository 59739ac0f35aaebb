"""Benchmarks. Each prints its own baseline, measured in the same run."""
