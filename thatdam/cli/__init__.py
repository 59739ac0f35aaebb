"""The verbs. Each talks to a node over its HTTP API."""
