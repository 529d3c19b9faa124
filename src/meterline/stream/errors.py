"""The engine's errors. Each is a class of its own because each asks for another reaction."""


class StreamError(Exception):
    """Root of the engine's errors."""


class Fenced(StreamError):
    """Another owner has taken this partition or slot: roll back, drop everything, leave. Never retry."""


class Indeterminate(StreamError):
    """The answer of a COMMIT was lost: whether it took effect must be read back before going on."""


class Conflict(StreamError):
    """Somebody else changed the same thing first."""


class Backpressure(StreamError):
    """The log is full, slow or away. Nothing was acknowledged; the caller may try again later."""

    def __init__(self, reason: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
