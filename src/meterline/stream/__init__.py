"""The engine: log protocol, routing, ownership with epochs and the worker cycle. No billing here."""
