from tests.unit.core.builders import uid

from meterline.core.customer import Customer, ingest_alias_issues


def test_events_name_a_customer_by_id_or_alias() -> None:
    customer = Customer(uid(300), "Acme", ("acme", "acme-eu"))
    assert customer.ingest_keys == (str(uid(300)), "acme", "acme-eu")


def test_aliases_have_a_length_and_no_repeats() -> None:
    assert ingest_alias_issues(["a", "x" * 128]) == []
    assert [issue.field for issue in ingest_alias_issues(["", "x" * 129, "b", "b"])] == [
        "ingest_aliases[0]",
        "ingest_aliases[1]",
        "ingest_aliases[3]",
    ]
