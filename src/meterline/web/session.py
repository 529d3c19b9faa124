"""Signed-in browsers: a cookie that names a token by its hash, signed and with an end.

The cookie holds the SHA-256 of the token, never the token: it cannot be turned into an API
credential, and a token that is revoked ends its sessions at the next look-up. The signature keeps
anybody who has read the table of hashes from making a cookie. The secret is
METERLINE_SESSION_SECRET, shared by the processes that serve pages; without it each process makes
its own and its sessions end with it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

COOKIE = "meterline_session"
SECRET_VARIABLE = "METERLINE_SESSION_SECRET"  # noqa: S105 - the name of a variable
SECRET_BYTES_MIN = 16
SESSION_SECONDS = 12 * 3600  # a working day


def secret_from(environ: Mapping[str, str]) -> bytes:
    """Return the secret that signs cookies. Raises ValueError when the one given is too short."""
    given = environ.get(SECRET_VARIABLE, "").encode()
    if not given:
        return secrets.token_bytes(32)
    if len(given) < SECRET_BYTES_MIN:
        raise ValueError(f"{SECRET_VARIABLE} must have at least {SECRET_BYTES_MIN} bytes")
    return given


def seal(secret: bytes, token_hash: bytes, *, expires_at: int) -> str:
    """Return the cookie's value. expires_at: whole seconds since 1970."""
    body = f"{token_hash.hex()}.{expires_at}"
    return f"{body}.{_signature(secret, body)}"


def unseal(secret: bytes, cookie: str, *, now: int) -> bytes | None:
    """Return the token's hash, or None when the cookie is forged, malformed or over."""
    body, _, signature = cookie.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, body).encode()):
        return None
    token_hash, _, expires_at = body.partition(".")
    return bytes.fromhex(token_hash) if int(expires_at) > now else None


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a form was sent by one of our own pages: the defence against forged requests.

    Browsers say so by Sec-Fetch-Site, older ones by Origin. A client that sends neither is no
    browser and has no cookie that could be abused.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _signature(secret: bytes, body: str) -> str:
    return hmac.new(secret, body.encode(), sha256).hexdigest()
