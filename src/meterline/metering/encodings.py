"""Compressed request bodies, expanded within a bound, so that a small body cannot fill the memory."""

from __future__ import annotations

import zlib

import zstandard

from meterline.metering.event import InvalidEvent

# 100 events of the largest size that anybody sends, with room.
EXPANDED_BYTES_MAX = 16 * 1024 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
# A zstd block of 4 bytes may stand for 128 kB, so this much input expands to 8 MB at most.
_ZSTD_STEP_BYTES = 256
_ZSTD = zstandard.ZstdDecompressor(max_window_size=EXPANDED_BYTES_MAX)


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
    """Expand every member: gzip files may be concatenated, and what follows the first counts as well."""
    expanded = bytearray()
    while True:
        inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            expanded += inflater.decompress(body, EXPANDED_BYTES_MAX + 1 - len(expanded))
        except zlib.error as error:
            raise InvalidEvent(f"body: not valid gzip: {error}") from error
        _check_size(expanded)
        if not inflater.eof:
            raise InvalidEvent("body: gzip data ends early")
        body = inflater.unused_data
        if not body:
            return bytes(expanded)


def _unzstd(body: bytes) -> bytes:
    """Expand every frame, a little of the input at a time: one byte of it may stand for 32 kB."""
    expanded = bytearray()
    frame: zstandard.ZstdDecompressionObj | None = None
    rest = memoryview(body)
    while rest:
        if frame is None:
            frame = _ZSTD.decompressobj()
        piece, rest = rest[:_ZSTD_STEP_BYTES], rest[_ZSTD_STEP_BYTES:]
        try:
            expanded += frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise InvalidEvent(f"body: not valid zstd: {error}") from error
        _check_size(expanded)
        if frame.eof:
            rest = memoryview(body)[len(body) - len(rest) - len(frame.unused_data) :]
            frame = None
    if frame is not None:
        raise InvalidEvent("body: zstd data ends early")
    return bytes(expanded)


def _check_size(expanded: bytearray) -> None:
    if len(expanded) > EXPANDED_BYTES_MAX:
        raise TooLarge(f"the body expands to more than {EXPANDED_BYTES_MAX} bytes")
