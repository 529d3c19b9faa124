"""Grants and their ledger: what is left of a commit or credit, and who pays for which usage."""
