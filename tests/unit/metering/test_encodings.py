"""Compressed bodies: expanded whole, or refused; never beyond the bound, never in part."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from meterline.metering.encodings import EXPANDED_BYTES_MAX, TooLarge, expand
from meterline.metering.event import InvalidEvent

BODY = b'[{"transaction_id": "a"}]\n' * 500
RANDOM = os.urandom(300_000)
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_without_an_encoding_the_body_is_as_it_is(encoding: str) -> None:
    assert expand(BODY, encoding) == BODY


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("body", [b"", b"x", BODY, RANDOM], ids=["empty", "one", "text", "random"])
def test_what_was_compressed_comes_back(encoding: str, body: bytes) -> None:
    assert expand(COMPRESS[encoding](body), encoding.upper() + " ") == body


@pytest.mark.parametrize("encoding", COMPRESS)
def test_every_member_counts(encoding: str) -> None:
    whole = b"".join(COMPRESS[encoding](part) for part in (BODY, b"", b"rest"))
    assert expand(whole, encoding) == BODY + b"rest"


def test_a_zstd_frame_of_unknown_size_comes_back() -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    frame = compressor.compress(BODY) + compressor.flush()
    assert expand(frame + frame, "zstd") == BODY + BODY


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("body", [BODY, RANDOM], ids=["text", "random"])
def test_data_cut_anywhere_is_refused(encoding: str, body: bytes) -> None:
    whole = COMPRESS[encoding](body)
    for length in (1, 4, len(whole) // 2, len(whole) - 4, len(whole) - 1):
        with pytest.raises(InvalidEvent):
            expand(whole[:length], encoding)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_junk_is_refused(encoding: str) -> None:
    whole = COMPRESS[encoding](BODY)
    for junk in (b"junk", BODY, whole + b"junk", whole[:9] + b"\xff\xff\xff" + whole[12:]):
        with pytest.raises(InvalidEvent):
            expand(junk, encoding)


@pytest.mark.parametrize("encoding", ["br", "compress", "gzip, gzip", "utf-8"])
def test_an_unknown_encoding_is_named(encoding: str) -> None:
    with pytest.raises(InvalidEvent, match="Content-Encoding"):
        expand(BODY, encoding)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_the_bound_itself_is_allowed(encoding: str) -> None:
    assert len(expand(COMPRESS[encoding](bytes(EXPANDED_BYTES_MAX)), encoding)) == 16 * 1024**2
    with pytest.raises(TooLarge):
        expand(COMPRESS[encoding](bytes(EXPANDED_BYTES_MAX + 1)), encoding)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_bomb_takes_no_memory(encoding: str) -> None:
    bomb = COMPRESS[encoding](bytes(256 * 1024**2))
    assert len(bomb) < 300_000
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            expand(bomb, encoding)
        with pytest.raises(TooLarge):  # nor do many members, each within the bound
            expand(COMPRESS[encoding](bytes(1024**2)) * 64, encoding)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * EXPANDED_BYTES_MAX
