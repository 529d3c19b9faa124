"""Grants and their ledger: what is left of a commit or credit, and who pays for which usage.

Names are imported from the modules; see README.md for which is where.
"""

# Contracts name grants (their recurring ones), and grants name a contract's schedules. Loading contracts first lets
# either be imported on its own.
import meterline.core.contract  # noqa: F401
