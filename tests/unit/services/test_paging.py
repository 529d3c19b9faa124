"""Cursors: opaque, whole, and of one list."""

from __future__ import annotations

import pytest

from meterline.core.errors import Invalid
from meterline.services.paging import Key, Page, PageRequest

ROWS = [f"row-{n:02}" for n in range(10)]


def read(listing: str, cursor: str | None, limit: int) -> Page[str]:
    request = PageRequest.of(listing, cursor=cursor, limit=limit)
    after = request.after
    rows = [row for row in ROWS if after is None or (row,) > after]

    def key(row: str) -> Key:
        return (row,)

    return request.page_of(rows[: request.fetch], key)


@pytest.mark.parametrize("limit", range(1, 12))
def test_pages_hold_every_row_once(limit: int) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = read("rows", cursor, limit)
        assert 1 <= len(page.rows) <= limit
        seen += page.rows
        cursor = page.next_page
        if cursor is None:
            break
    assert seen == ROWS


def test_every_changed_character_is_noticed() -> None:
    cursor = read("rows", None, 3).next_page
    assert cursor is not None
    for position in range(len(cursor) - 1):
        other = "A" if cursor[position] != "A" else "B"
        with pytest.raises(Invalid, match="next_page"):
            read("rows", cursor[:position] + other + cursor[position + 1 :], 3)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(Invalid, match="next_page"):
        read("others", read("rows", None, 3).next_page, 3)


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_limits_have_bounds(limit: int) -> None:
    with pytest.raises(Invalid, match="limit"):
        PageRequest.of("rows", cursor=None, limit=limit)
