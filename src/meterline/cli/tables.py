"""Tables for the terminal, exact JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

EXACT_JSON = msgspec.json.Encoder(decimal_format="number")


def groups(values: Mapping[str, Any] | None) -> str:
    """Return group values in the order of their names, as `gpt-5-mini, us`; ∅ for an absent one."""
    return ", ".join(
        "∅" if value is None else str(value) for _, value in sorted((values or {}).items())
    )


def show(
    title: str,
    columns: Iterable[tuple[str, bool]],
    rows: Iterable[Iterable[str]],
    *,
    caption: str | None = None,
    console: Console | None = None,
) -> None:
    """Print a table. columns: (heading, whether it holds numbers)."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption=caption,
        caption_justify="left",
        header_style="dim",
        box=None,
        pad_edge=False,
    )
    for heading, numeric in columns:
        table.add_column(
            heading, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold"
        )
    for row in rows:
        table.add_row(*row)
    (console or Console()).print(table)


def show_json(value: Any) -> None:
    """Print one JSON document. Decimals are printed in full, as numbers."""
    text = msgspec.json.format(EXACT_JSON.encode(value), indent=2).decode()
    Console(soft_wrap=True, highlight=False, markup=False).print(text)
