"""The application: configuration, node assembly, HTTP gateway and command line."""

__version__ = "0.1.0"
