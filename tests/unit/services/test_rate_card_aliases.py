"""Cutting the span of an alias out of another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meterline.services.rate_card_aliases import Span, without

ONE, TWO, THREE, FOUR = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("span", "taken", "left"),
    [
        ((None, None), (None, None), []),
        ((None, None), (TWO, None), [(None, TWO)]),
        ((None, None), (TWO, THREE), [(None, TWO), (THREE, None)]),
        ((TWO, None), (None, THREE), [(THREE, None)]),
        ((ONE, TWO), (TWO, THREE), [(ONE, TWO)]),
        ((ONE, FOUR), (TWO, THREE), [(ONE, TWO), (THREE, FOUR)]),
        ((TWO, THREE), (ONE, FOUR), []),
        ((TWO, THREE), (None, TWO), [(TWO, THREE)]),
    ],
)
def test_what_is_left(span: Span, taken: Span, left: list[Span]) -> None:
    assert without(span, taken) == left
