"""What a use case refuses, in the caller's words. The edges map these to their own forms of answer.

Bad values are `meterline.core.errors.Invalid`; these are about what is stored and at hand.
"""

from __future__ import annotations


class NotFound(Exception):
    """Nothing of that id in this environment."""

    code = "not_found"
    retryable = False

    def __init__(self, kind: str, identity: object) -> None:
        super().__init__(f"{kind} {identity} was not found")


class Unavailable(Exception):
    """What the request needs is not there at the moment; sending it again later may well do."""

    code = "unavailable"
    retryable = True


class Conflict(Exception):
    """The request is well formed, and what is stored forbids it; sending it again is no use."""

    code = "conflict"
    retryable = False
