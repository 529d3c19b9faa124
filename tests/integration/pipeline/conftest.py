"""A migrated database with an environment and an empty log of eight partitions."""

from __future__ import annotations

import pytest
from tests.support.roles import Tokens, prepared


@pytest.fixture
def tokens(database_url: str) -> Tokens:
    """The environment's tokens; the database is ready for roles."""
    return prepared(database_url, log_partitions=8)
