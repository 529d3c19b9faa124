"""Vendors for the histories that go through the API."""

from tests.scenarios.conftest import new_vendor

__all__ = ["new_vendor"]
