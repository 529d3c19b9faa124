"""Contracts with everything in them: made, shown in both forms, listed, renewed and archived, by the unmodified SDK."""

from __future__ import annotations

import metronome
import pytest
from metronome import Metronome
from metronome.types.shared import ContractV2
from tests.integration.api.conftest import Service, Unique
from tests.support.contract_shop import END, START, USD, Shop, access, every_part, open_shop
from tests.support.running_api import utc

MIDDLE = utc(2026, 7, 1)


@pytest.fixture
def shop(sdk: Metronome, unique: Unique) -> Shop:
    return open_shop(sdk, unique)


@pytest.fixture
def everything(shop: Shop, unique: Unique) -> tuple[str, str]:
    """A customer, and a contract of his with all parameters there are."""
    customer = shop.customer()
    created = shop.sdk.v1.contracts.create(
        customer_id=customer,
        rate_card_id=shop.card,
        starting_at=START,
        ending_before=END,
        name="Everything",
        net_payment_terms_days=30,
        netsuite_sales_order_id="so-0",
        salesforce_opportunity_id="opp",
        total_contract_value=1000.5,
        multiplier_override_prioritization="EXPLICIT",
        scheduled_charges_on_usage_invoices="ALL",
        uniqueness_key=unique("key"),
        usage_statement_schedule={
            "frequency": "MONTHLY",
            "day": "CUSTOM_DATE",
            "billing_anchor_date": START,
            "invoice_generation_starting_at": utc(2026, 2, 1),
        },
        custom_fields={"deal": "big"},
        **every_part(shop),
    ).data
    assert created.contract is not None
    assert created.contract.custom_fields == {"deal": "big"}
    return customer, created.id


@pytest.fixture
def shown(shop: Shop, everything: tuple[str, str]) -> ContractV2:
    customer, contract = everything
    return shop.sdk.v2.contracts.retrieve(
        customer_id=customer, contract_id=contract, include_balance=True, include_ledgers=True
    ).data


def test_commits_and_credits_come_back(shop: Shop, shown: ContractV2) -> None:
    annual, postpaid = [one for one in shown.commits if one.recurring_commit_id is None]
    assert (annual.type, annual.name, annual.priority) == ("PREPAID", "Annual", 2)
    assert annual.description == "a year of calls"
    assert annual.product.name == "Platform"
    assert annual.cost_basis == 0.8
    assert annual.applicable_product_ids == [shop.usage]
    assert annual.applicable_product_tags == ["api"]
    assert annual.specifiers is None
    assert annual.access_schedule is not None
    assert annual.access_schedule.access_type == "SPEND"
    assert [item.amount for item in annual.access_schedule.schedule_items] == [1000]
    assert annual.invoice_schedule is not None
    items = annual.invoice_schedule.schedule_items or []
    quarters = [(1, 200), (4, 200), (7, 200), (10, 200)]
    assert [(one.timestamp.month, one.amount) for one in items] == quarters
    assert annual.custom_fields == {"campaign": "spring"}
    assert (postpaid.type, postpaid.rate_type) == ("POSTPAID", "LIST_RATE")
    welcome = next(one for one in shown.credits or [] if one.name == "Welcome")
    assert welcome.specifiers is not None
    assert welcome.specifiers[0].presentation_group_values == {"region": "eu"}
    assert welcome.applicable_product_ids is None


def test_overrides_and_what_they_name_come_back(shop: Shop, shown: ContractV2) -> None:
    specific, tiered, by_tag = shown.overrides
    assert (specific.type, tiered.type, by_tag.type) == ("MULTIPLIER", "OVERWRITE", "MULTIPLIER")
    assert specific.override_specifiers is not None
    (specifier,) = specific.override_specifiers
    annual = next(one for one in shown.commits if one.name == "Annual")
    (monthly,) = shown.recurring_commits or []
    assert specifier.any_commit_or_credit_ids == [annual.id]
    assert specifier.commit_ids is None
    assert specifier.recurring_commit_ids == [monthly.id]
    assert (specific.is_commit_specific, specific.priority) == (True, 10)
    assert tiered.product is not None
    assert tiered.product.id == shop.usage
    assert tiered.overwrite_rate is not None
    assert [one.price for one in tiered.overwrite_rate.tiers or []] == [2, 1]
    assert by_tag.applicable_product_tags == ["api"]


def test_recurring_grants_and_subscriptions_come_back(shown: ContractV2) -> None:
    (monthly,), (pooled,) = shown.recurring_commits or [], shown.recurring_credits or []
    assert (monthly.name, monthly.proration) == ("Monthly", "NONE")
    assert monthly.recurrence_frequency == "MONTHLY"
    assert monthly.invoice_amount is not None
    assert monthly.invoice_amount.unit_price == 90
    seats, fixed = shown.subscriptions or []
    assert pooled.subscription_config is not None
    assert pooled.subscription_config.subscription_id == seats.id
    assert seats.quantity_management_mode == "SEAT_BASED"
    assert fixed.quantity_management_mode == "QUANTITY_ONLY"
    assert (seats.quantity_schedule[0].quantity, fixed.quantity_schedule[0].quantity) == (3, 4)
    assert fixed.proration.invoice_behavior == "BILL_ON_NEXT_COLLECTION_DATE"
    assert seats.proration.rounding is not None
    assert seats.proration.rounding.decimal_places == 2
    assert seats.custom_fields == {"sku": "seat"}
    assert seats.billing_periods.current is not None


def test_charges_and_terms_come_back(shown: ContractV2) -> None:
    (charge,), (discount,) = shown.scheduled_charges, shown.discounts or []
    (item,) = charge.schedule.schedule_items or []
    assert (item.amount, item.unit_price, item.quantity) == (150, 50, 3)
    assert [one.amount for one in discount.schedule.schedule_items or []] == [-20]
    assert [one.max_amount for one in shown.professional_services or []] == [900]
    assert shown.multiplier_override_prioritization == "EXPLICIT"
    assert shown.scheduled_charges_on_usage_invoices == "ALL"
    assert (shown.net_payment_terms_days, shown.total_contract_value) == (30, 1000.5)


def test_the_older_form_and_lists_show_the_same(
    shop: Shop, everything: tuple[str, str], shown: ContractV2
) -> None:
    customer, contract = everything
    old = shop.sdk.v1.contracts.retrieve(
        customer_id=customer, contract_id=contract, include_balance=True, include_ledgers=True
    ).data
    assert [one.id for one in old.subscriptions or []] == [
        one.id for one in shown.subscriptions or []
    ]
    for form in (old.initial, old.current):
        assert [one.id for one in form.overrides] == [one.id for one in shown.overrides]
        assert [one.id for one in form.commits] == [one.id for one in shown.commits]
        assert form.total_contract_value == 1000.5
    for lists in (shop.sdk.v1.contracts.list, shop.sdk.v2.contracts.list):
        listed = lists(customer_id=customer, include_balance=True, include_ledgers=True)
        assert [one.id for one in listed.data] == [contract]


def test_what_has_begun_is_in_the_ledger_at_once(shop: Shop) -> None:
    customer = shop.customer()
    past, future = access(70, START, utc(2026, 2, 1)), access(90, utc(2026, 2, 1), END)
    both = {"schedule_items": [*past["schedule_items"], *future["schedule_items"]]}
    contract = shop.contract(customer, credits=[shop.credit(access_schedule=both)])
    shown = shop.sdk.v2.contracts.retrieve(
        customer_id=customer, contract_id=contract, include_ledgers=True, include_balance=True
    ).data
    assert shown.credits is not None
    ledger = shown.credits[0].ledger
    assert ledger is not None
    begun = [one for one in ledger if one.type == "CREDIT_SEGMENT_START"]
    assert begun, "the segment of January has begun"
    assert begun[0].amount == 70
    assert shown.credits[0].balance is not None


def test_a_renewal_ends_the_contract_before_it(shop: Shop) -> None:
    sdk, customer = shop.sdk, shop.customer()
    older = shop.contract(customer, ending_before=None)
    renewal = {
        "from_contract_id": older,
        "type": "renewal",
        "future_invoice_behavior": {"trueup": "remove"},
    }
    start = utc(2030, 1, 1)
    newer = shop.contract(customer, starting_at=start, ending_before=None, transition=renewal)
    first = sdk.v2.contracts.retrieve(customer_id=customer, contract_id=older).data
    second = sdk.v1.contracts.retrieve(customer_id=customer, contract_id=newer).data
    assert first.ending_before == start
    for transitions in (first.transitions, second.current.transitions):
        assert [(one.from_contract_id, one.to_contract_id) for one in transitions] == [
            (older, newer)
        ]
    with pytest.raises(metronome.BadRequestError, match="renewed already"):
        shop.contract(customer, starting_at=utc(2031, 1, 1), ending_before=None, transition=renewal)
    with pytest.raises(metronome.BadRequestError, match="names no contract"):
        shop.contract(
            shop.customer(),
            transition={"from_contract_id": older, "type": "RENEWAL"},
        )


def test_archiving_takes_commits_and_credits_along(shop: Shop) -> None:
    sdk, customer = shop.sdk, shop.customer()
    contract = shop.contract(customer, commits=[shop.commit(100)], credits=[shop.credit(50)])
    sdk.v1.contracts.archive(customer_id=customer, contract_id=contract, void_invoices=True)
    shown = sdk.v2.contracts.retrieve(
        customer_id=customer, contract_id=contract, include_balance=True, include_ledgers=True
    ).data
    assert shown.archived_at is not None
    (commit,) = shown.commits
    assert commit.archived_at is not None
    assert commit.balance == 0
    assert commit.ledger is not None
    assert sum(entry.amount for entry in commit.ledger) == 0
    assert "PREPAID_COMMIT_EXPIRATION" in {entry.type for entry in commit.ledger}
    (purchase,) = sdk.v1.customers.invoices.list(customer_id=customer)
    assert (purchase.status, purchase.total) == ("VOID", 100)
    assert [line.total for line in purchase.line_items] == [100]
    net = sdk.v1.contracts.get_net_balance(customer_id=customer).data
    assert net.balance == 0
    again = sdk.v1.contracts.archive(
        customer_id=customer, contract_id=contract, void_invoices=False
    )
    assert again.data.id == contract
    with pytest.raises(metronome.BadRequestError, match="archived"):
        sdk.v1.contracts.update_end_date(customer_id=customer, contract_id=contract)


def test_a_used_key_is_a_conflict_and_leaves_nothing(shop: Shop, unique: Unique) -> None:
    customer, key = shop.customer(), unique("key")
    shop.contract(customer, uniqueness_key=key)
    with pytest.raises(metronome.ConflictError) as caught:
        shop.contract(customer, uniqueness_key=key, commits=[shop.commit()])
    assert caught.value.response.headers["x-should-retry"] == "false"
    balances = shop.sdk.v1.contracts.list_balances(
        customer_id=customer, include_contract_balances=True
    )
    assert balances.data == []


def test_a_subscription_needs_a_price(shop: Shop) -> None:
    customer = shop.customer()
    yearly = {
        "collection_schedule": "ADVANCE",
        "proration": {},
        "subscription_rate": {"billing_frequency": "ANNUAL", "product_id": shop.seat},
        "initial_quantity": 1,
    }
    with pytest.raises(metronome.BadRequestError, match=r"subscriptions\[0\]\.subscription_rate"):
        shop.contract(customer, subscriptions=[yearly])
    overwritten = {
        "starting_at": START,
        "type": "OVERWRITE",
        "override_specifiers": [{"product_id": shop.seat, "billing_frequency": "ANNUAL"}],
        "overwrite_rate": {"rate_type": "FLAT", "price": 9},
    }
    assert shop.contract(customer, subscriptions=[yearly], overrides=[overwritten])


LONG = float("9" * 40)
BAD = [
    ({"commits": [{"product_id": "no-product"}]}, "commits[0].product_id"),
    ({"commits": [{"priority": LONG}]}, "commits[0].priority"),
    ({"commits": [{"access_schedule": access(-1)}]}, "commits[0].access_schedule"),
    ({"commits": [{"access_schedule": access(LONG)}]}, "commits[0].access_schedule"),
    ({"commits": [{"access_schedule": access(1, END, START)}]}, "commits[0].access_schedule"),
    (
        {"commits": [{"access_schedule": access(1, START, utc(2027, 6, 1))}]},
        "commits[0].access_schedule",
    ),
    (
        {
            "commits": [
                {
                    "access_schedule": {
                        "schedule_items": [
                            *access(1)["schedule_items"],
                            *access(2, MIDDLE)["schedule_items"],
                        ]
                    }
                }
            ]
        },
        "commits[0].access_schedule",
    ),
    ({"commits": [{"access_schedule": {"schedule_items": []}}]}, "commits[0].access_schedule"),
    ({"commits": [{"rollover_fraction": 2}]}, "commits[0].rollover_fraction"),
    (
        {"commits": [{"type": "POSTPAID", "access_schedule": access(7)}]},
        "commits[0].invoice_schedule",
    ),
    ({"commits": [{"type": "GIFT"}]}, "commits[0].type"),
    ({"commits": [{"temporary_id": "a"}, {"temporary_id": "a"}]}, "commits[1].temporary_id"),
    ({"commits": [{"hierarchy_configuration": {"child_access": {"type": "ALL"}}}]}, "hierarchy"),
    (
        {"commits": [{"payment_gate_config": {"payment_gate_type": "STRIPE"}}]},
        "payment_gate_config",
    ),
    ({"overrides": [{"starting_at": START, "multiplier": -1}]}, "overrides[0].multiplier"),
    ({"overrides": [{"starting_at": START}]}, "overrides[0]"),
    (
        {"overrides": [{"starting_at": END, "ending_before": START, "multiplier": 1}]},
        "overrides[0].ending_before",
    ),
    (
        {
            "overrides": [
                {
                    "starting_at": START,
                    "multiplier": 1,
                    "override_specifiers": [{"commit_ids": ["nobody"]}],
                }
            ]
        },
        "commit_ids[0]",
    ),
    (
        {"overrides": [{"starting_at": START, "multiplier": 1, "type": "EXTRA"}]},
        "overrides[0].type",
    ),
]


@pytest.mark.parametrize(("given", "named"), BAD)
def test_bad_parts_name_the_field_and_leave_nothing(
    service: Service, shop: Shop, given: dict[str, object], named: str
) -> None:
    customer = shop.customer()
    body: dict[str, object] = {**given}
    if "commits" in given:
        parts = given["commits"]
        assert isinstance(parts, list)
        body["commits"] = [{**shop.commit(), **one} for one in parts]
    with pytest.raises(metronome.BadRequestError) as caught:
        shop.sdk.v1.contracts.create(
            customer_id=customer,
            rate_card_id=shop.card,
            starting_at=START,
            ending_before=END,
            **body,
        )
    assert named in str(caught.value)
    assert shop.sdk.v1.contracts.list(customer_id=customer).data == []


def test_currencies_are_not_mixed(shop: Shop) -> None:
    units = list(shop.sdk.v1.credit_types.list()) if hasattr(shop.sdk.v1, "credit_types") else []
    euro = next(
        (one.id for one in units or shop.sdk.v1.pricing_units.list() if one.name == "EUR"), None
    )
    assert euro is not None
    customer = shop.customer()
    for commit in (
        shop.commit(access_schedule=access(1, credit_type_id=euro)),
        shop.commit(
            invoice_schedule={
                "credit_type_id": euro,
                "schedule_items": [{"timestamp": START, "amount": 1}],
            }
        ),
    ):
        with pytest.raises(metronome.BadRequestError, match=r"credit_type_id.*USD"):
            shop.contract(customer, commits=[commit])
    with pytest.raises(metronome.BadRequestError, match="names no credit type"):
        shop.contract(
            customer, commits=[shop.commit(access_schedule=access(1, credit_type_id=shop.card))]
        )
    assert euro != USD
