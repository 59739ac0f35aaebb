"""The built viewer, as package data under ``dist/``. No code."""
