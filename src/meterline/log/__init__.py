"""Adapters of the log protocol."""
