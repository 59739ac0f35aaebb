"""Proxy: finds cameras, runs one supervised worker a source, publishes its tracks live. Stateless."""
