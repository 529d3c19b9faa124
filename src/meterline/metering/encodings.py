"""Compressed request bodies, expanded within a bound, so that a small body cannot fill the memory."""

from __future__ import annotations

import zlib

import zstandard

from meterline.metering.event import InvalidEvent

# 100 events of the largest size that anybody sends, with room.
EXPANDED_BYTES_MAX = 16 * 1024 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class TooLarge(ValueError):
    """The body is larger than the door takes."""


def expand(body: bytes, content_encoding: str) -> bytes:
    """Return `body` as it was before compression. Raises InvalidEvent or TooLarge."""
    encoding = content_encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _inflate(body)
    if encoding == "zstd":
        return _unzstd(body)
    raise InvalidEvent(f"Content-Encoding: {encoding!r} is not one of gzip, deflate, zstd")


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        expanded = inflater.decompress(body, EXPANDED_BYTES_MAX)
    except zlib.error as error:
        raise InvalidEvent(f"body: not valid gzip: {error}") from error
    if inflater.unconsumed_tail:
        raise TooLarge(f"the body expands to more than {EXPANDED_BYTES_MAX} bytes")
    if not inflater.eof:
        raise InvalidEvent("body: gzip data ends early")
    return expanded


def _unzstd(body: bytes) -> bytes:
    try:
        with zstandard.ZstdDecompressor(max_window_size=EXPANDED_BYTES_MAX).stream_reader(
            body, read_across_frames=True
        ) as reader:
            expanded = reader.read(EXPANDED_BYTES_MAX + 1)
    except zstandard.ZstdError as error:
        raise InvalidEvent(f"body: not valid zstd: {error}") from error
    if len(expanded) > EXPANDED_BYTES_MAX:
        raise TooLarge(f"the body expands to more than {EXPANDED_BYTES_MAX} bytes")
    return expanded
