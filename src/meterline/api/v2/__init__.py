"""Routes under /v2."""
