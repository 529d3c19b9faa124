from decimal import Decimal
from pathlib import Path

import pytest

from meterline.cli import pricing_file
from meterline.cli.client import CommandError
from meterline.cli.pricing_file import Metric, Rate, Tier

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


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    toml, json = tmp_path / "prices.toml", tmp_path / "prices.json"
    toml.write_text(TOML)
    json.write_text(
        '{"metrics": [{"name": "Tokens", "sum": "tokens", "group_keys": [["model"]]}],'
        '"products": [{"name": "Tokens", "metric": "Tokens", "pricing_group_key": ["model"]}],'
        '"rate_cards": [{"name": "List", "rates": [{"product": "Tokens", "usd": "2.50",'
        '"per": 1000000, "group": {"model": "m1"}}]}],'
        '"customers": [{"name": "Acme", "ingest_aliases": ["acme"], "rate_card": "List"}]}'
    )
    assert pricing_file.read(toml) == pricing_file.read(json)


@pytest.mark.parametrize(
    ("usd", "per", "cents"),
    [("2.50", 1_000_000, "0.00025"), ("0.002", 1, "0.2"), ("1", 4, "25"), ("0", 7, "0")],
)
def test_prices_come_out_exact_a_unit(usd: str, per: int, cents: str) -> None:
    assert pricing_file.cents_a_unit(usd, per) == Decimal(cents)


@pytest.mark.parametrize(("usd", "per"), [("1", 3), ("ten", 1), ("1", 0)])
def test_inexact_and_wrong_prices_are_refused(usd: str, per: int) -> None:
    with pytest.raises(CommandError):
        pricing_file.cents_a_unit(usd, per)


def test_tiers_carry_their_sizes() -> None:
    rate = Rate(product="p", tiers=[Tier(usd="3", size=1000), Tier(usd="2")], per=10)
    assert rate.terms() == {
        "rate_type": "TIERED",
        "tiers": [{"price": Decimal(30), "size": Decimal(1000)}, {"price": Decimal(20)}],
    }


@pytest.mark.parametrize(
    "rate", [Rate(product="p"), Rate(product="p", usd="1", tiers=[Tier(usd="1")])]
)
def test_a_rate_has_a_price_or_tiers(rate: Rate) -> None:
    with pytest.raises(CommandError, match="either usd or tiers"):
        rate.terms()


def test_a_metric_has_one_aggregation() -> None:
    assert Metric(name="m", unique="user").aggregation() == ("UNIQUE", "user")
    assert Metric(name="m", count=True).aggregation() == ("COUNT", None)
    for wrong in (Metric(name="m"), Metric(name="m", count=True, sum="x")):
        with pytest.raises(CommandError, match="exactly one"):
            wrong.aggregation()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "metrics = 3", "metrics"),
        ("a.toml", "[[metric]]\nname = 'x'", "metric"),
        ("a.toml", "name = ", "not valid TOML"),
        ("a.json", "{", "not valid JSON"),
    ],
)
def test_a_bad_file_is_named_with_its_field(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CommandError, match=words):
        pricing_file.read(path)
