"""What can be wrong with the store. Each message says what is the matter and what to do."""


class StoreError(Exception):
    """Root of the store's errors; the command line prints the message and ends with status 1."""


class DataDirectoryInUse(StoreError):
    """Another `meterline up` runs on this data directory."""


class PostgresUnavailable(StoreError):
    """PostgreSQL could not be started, or does not answer."""


class MigrationRefused(StoreError):
    """The database is not one these migrations may touch."""
