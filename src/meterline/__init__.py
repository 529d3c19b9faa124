"""Meterline: usage-based billing on an exactly-once event pipeline whose workers hold no state."""

__version__ = "0.1.0"
