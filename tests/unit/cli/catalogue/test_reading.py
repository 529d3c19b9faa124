"""Files of each kind, and what is wrong with their form."""

from __future__ import annotations

from pathlib import Path

import pytest

from meterline.cli.catalogue import reading
from meterline.cli.client import CommandError

TOML = """
[[metrics]]
name = "Tokens"
sum = "tokens"
group_keys = [["model"]]

[[products]]
name = "Tokens"
metric = "Tokens"
pricing_group_key = ["model"]

[[rate_cards]]
name = "List"
[[rate_cards.rates]]
product = "Tokens"
usd = "2.50"
per = 1000000
group = { model = "m1" }

[[customers]]
name = "Acme"
ingest_aliases = ["acme"]
rate_card = "List"
"""
YAML = """
metrics: [{name: Tokens, sum: tokens, group_keys: [[model]]}]
products: [{name: Tokens, metric: Tokens, pricing_group_key: [model]}]
rate_cards:
  - name: List
    rates: [{product: Tokens, usd: 2.50, per: 1_000_000, group: {model: m1}}]
customers: [{name: Acme, ingest_aliases: [acme], rate_card: List}]
"""
JSON = """
{"metrics": [{"name": "Tokens", "sum": "tokens", "group_keys": [["model"]]}],
 "products": [{"name": "Tokens", "metric": "Tokens", "pricing_group_key": ["model"]}],
 "rate_cards": [{"name": "List", "rates": [{"product": "Tokens", "usd": 2.5,
                 "per": "1000000", "group": {"model": "m1"}}]}],
 "customers": [{"name": "Acme", "ingest_aliases": ["acme"], "rate_card": "List"}]}
"""


def test_yaml_toml_and_json_say_the_same(tmp_path: Path) -> None:
    found = []
    for name, text in (("a.toml", TOML), ("a.yaml", YAML), ("a.json", JSON)):
        (tmp_path / name).write_text(text)
        found.append(reading.read(tmp_path / name)[1])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metrics: 3", r"a\.yaml:1: metrics: Expected `array`, got `int`"),
        ("a: 1", r"unknown field `a`"),
        (
            "rate_cards:\n  - name: x\n    rates:\n      - product: p\n        usdd: 1\n",
            r"a\.yaml:4: rate_cards\[0\]\.rates\[0\]: .*unknown field `usdd`",
        ),
        (
            "rate_cards:\n  - name: x\n    rates:\n      - {product: p, usd: dear}\n",
            r"a\.yaml:4: rate_cards\[0\]\.rates\[0\]\.usd: Invalid decimal",
        ),
        (
            "rate_cards:\n  - name: x\n    rates:\n      - {product: p, usd: true}\n",
            r"rates\[0\]\.usd: Expected `decimal",
        ),
        (
            "rate_cards:\n  - name: x\n    rates:\n      - {product: p, group: {zip: 10115}}\n",
            r"a\.yaml:4: rate_cards\[0\]\.rates\[0\]\.group: Expected `str`",
        ),
        ("- a", "must be a mapping"),
        ("", "must be a mapping"),
    ],
)
def test_a_bad_form_is_named_with_line_and_path(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(CommandError, match=words):
        reading.read(path)
