"""Tokens and their cache, without a database."""

from __future__ import annotations

from meterline.services.environments import Principal, TokenCache, random_token, token_hash


def test_a_token_names_its_kind_and_has_256_random_bits() -> None:
    made = {random_token("sandbox") for _ in range(100)}
    assert len(made) == 100
    for token in made:
        prefix, kind, secret = token.split("_", 2)
        assert (prefix, kind) == ("ml", "sandbox")
        assert len(secret) == 43  # 32 bytes in base64 without padding
        assert token.isascii()


def test_the_hash_is_sha_256() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert token_hash("abc").hex() == expected


def test_the_cache_forgets_by_age() -> None:
    cache = TokenCache(seconds=5)
    cache.put(b"one", Principal(1, "one", "full"), at=10.0)
    assert cache.get(b"one", at=14.9) == Principal(1, "one", "full")
    assert cache.get(b"one", at=15.0) is None
    assert cache.get(b"two", at=10.0) is None


def test_the_cache_is_bounded_and_keeps_the_latest() -> None:
    cache = TokenCache(tokens_max=3)
    for number in range(10):
        cache.put(str(number).encode(), Principal(number, "", "read"), at=0.0)
    kept = [number for number in range(10) if cache.get(str(number).encode(), at=0.0)]
    assert kept == [7, 8, 9]
