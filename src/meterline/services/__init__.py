"""Use cases: load, let the core decide, save in one transaction."""
