"""The simulator: the real node on virtual time, a fake network and a fake disk; scenarios, checkers, benchmarks."""
