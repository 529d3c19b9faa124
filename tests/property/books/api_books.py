"""The platform under the model's actions, through the unmodified SDK, on a sandbox that begins at `terms.START`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.model import terms as t
from tests.property.books.comparison import Facts, hour_of, rounded
from tests.scenarios.vendor import USD, Customer, Vendor


def number(fraction: Fraction) -> float:
    """As JSON has it; exact for the numbers of these tests."""
    return float(fraction)


@dataclass
class ApiBooks:
    """One customer of one vendor. Names are those of the model; ids are the platform's."""

    vendor: Vendor
    world: t.World
    products: dict[str, str] = field(default_factory=dict)
    contracts: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    signed: list[t.Sign] = field(default_factory=list)
    now: t.Hour = 0

    def __post_init__(self) -> None:
        keys = ("region", "team")
        for product in self.world.products:
            self.products[product.name] = self.vendor.usage_product(
                product.name,
                keys=keys,
                metric_group_keys=[["region"], ["team"], ["region", "team"]],
                pricing_group_key=["region"] if product.by_region else [],
                presentation_group_key=["team"] if product.by_team else [],
            )
        self.fixed = self.vendor.product("Fixed")
        for rate in self.world.rates:
            self._reprice(rate)
        self.customer: Customer = self.vendor.customer()

    def do(self, action: t.Action) -> None:
        match action:
            case t.Move(to):
                self.vendor.go(t.instant(to))
                self.now = to
            case t.Use(events):
                for one in events:
                    values = {"region": one.region, "team": one.team}
                    self.customer.uses(
                        self.products[one.product],
                        number(one.quantity),
                        t.instant(one.hour),
                        **values,
                    )  # type: ignore[arg-type]
            case t.Reprice(rate):
                self._reprice(rate)
            case t.Void(name, start):
                self.vendor.sdk.v1.invoices.void(id=self._current(name, start))
            case t.Regenerate(name, start):
                self.vendor.sdk.v1.invoices.regenerate(id=self._current(name, start))
            case t.Give() | t.Resize() | t.Adjust():
                self._do_to_grant(action)
            case _:
                self._do_to_contract(action)

    # Terms

    def _reprice(self, one: t.Rate) -> None:
        terms: dict[str, Any] = dict(price(one.price))
        if one.commit_price is not None:
            terms["commit_rate"] = {"rate_type": "FLAT", "price": number(one.commit_price)}
        if one.region:
            terms["pricing_group_values"] = {"region": one.region}
        self.vendor.price(
            self.products[one.product], since=t.instant(one.since), entitled=one.sold, **terms
        )

    def _do_to_grant(self, action: t.Give | t.Resize | t.Adjust) -> None:
        if isinstance(action, t.Give):
            self._give(action.grant)
            return
        grant = self.customer.grant(action.grant)
        segment = grant.access_schedule.schedule_items[action.segment].id
        contract = {"contract_id": grant.contract.id} if grant.contract else {}
        if isinstance(action, t.Adjust):
            self.vendor.sdk.v1.contracts.add_manual_balance_entry(
                id=grant.id,
                customer_id=self.customer.id,
                segment_id=segment,
                amount=number(action.amount),
                reason="by hand",
                timestamp=t.instant(self.now),
                **contract,
            )
            return
        kind = "credit" if grant.type == "CREDIT" else "commit"
        edit = {
            f"{kind}_id": grant.id,
            "access_schedule": {
                "update_schedule_items": [{"id": segment, "amount": number(action.amount)}]
            },
        }
        if contract:
            self.customer.edit(grant.contract.id, **{f"update_{kind}s": [edit]})
        elif kind == "credit":
            self.vendor.sdk.v2.contracts.edit_credit(customer_id=self.customer.id, **edit)
        else:
            self.vendor.sdk.v2.contracts.edit_commit(customer_id=self.customer.id, **edit)

    def _give(self, one: t.Grant) -> None:
        terms = self._grant(one)
        kind = "credits" if one.kind == "CREDIT" else "commits"
        if one.contract is not None:
            self.customer.edit(self.contracts[one.contract], **{f"add_{kind}": [terms]})
            return
        if one.contracts is not None:
            terms["applicable_contract_ids"] = [self.contracts[name] for name in one.contracts]
        if one.billed_on is not None:
            terms["invoice_contract_id"] = self.contracts[one.billed_on]
        api = getattr(self.vendor.sdk.v1.customers, kind)
        api.create(customer_id=self.customer.id, **terms)

    def _grant(self, one: t.Grant) -> dict[str, Any]:
        terms: dict[str, Any] = {
            "name": one.name,
            "product_id": self.fixed,
            "priority": one.priority,
            "rate_type": "COMMIT_RATE" if one.at_commit_rate else "LIST_RATE",
            "access_schedule": {
                "credit_type_id": USD,
                "schedule_items": [
                    {
                        "amount": number(segment.amount),
                        "starting_at": t.instant(segment.start),
                        "ending_before": t.instant(segment.end),
                    }
                    for segment in one.segments
                ],
            },
        }
        if one.kind != "CREDIT":
            terms["type"] = one.kind
        if one.bills:
            terms["invoice_schedule"] = schedule(one.bills)
        if one.region:
            values = {"pricing_group_values": {"region": one.region}}
            terms["specifiers"] = [
                {"product_id": self.products[name], **values} for name in one.products
            ] or [values]
        elif one.products:
            terms["applicable_product_ids"] = [self.products[name] for name in one.products]
        if one.rollover is not None:
            terms["rollover_fraction"] = number(one.rollover)
        return terms

    def _override(self, one: t.Override) -> dict[str, Any]:
        terms: dict[str, Any] = {"starting_at": t.instant(one.since)}
        if one.until is not None:
            terms["ending_before"] = t.instant(one.until)
        if one.product is not None:
            of = {"product_id": self.products[one.product]}
            if one.region:
                of["pricing_group_values"] = {"region": one.region}  # type: ignore[assignment]
            terms["override_specifiers"] = [of]
        if one.price is None:
            assert one.multiplier is not None
            return {**terms, "type": "MULTIPLIER", "multiplier": number(one.multiplier)}
        return {**terms, "type": "OVERWRITE", "overwrite_rate": price(one.price)}

    def _subscription(self, one: t.Subscription) -> dict[str, Any]:
        self.products[one.name] = self.vendor.seat(
            number(one.price), name=one.name, frequency=one.frequency
        )
        terms: dict[str, Any] = {
            "name": one.name,
            "subscription_rate": {
                "product_id": self.products[one.name],
                "billing_frequency": one.frequency,
            },
            "collection_schedule": "ADVANCE" if one.in_advance else "ARREARS",
            "initial_quantity": number(one.quantities[0][1]),
            "starting_at": t.instant(one.start),
            "proration": {
                "is_prorated": one.is_prorated,
                "invoice_behavior": "BILL_IMMEDIATELY"
                if one.at_once
                else "BILL_ON_NEXT_COLLECTION_DATE",
            },
        }
        if one.end is not None:
            terms["ending_before"] = t.instant(one.end)
        return terms

    def _recurring(self, one: t.Recurring) -> dict[str, Any]:
        return {
            "name": one.name,
            "product_id": self.fixed,
            "access_amount": {
                "credit_type_id": USD,
                "unit_price": number(one.amount),
                "quantity": 1,
            },
            "commit_duration": {"value": one.periods, "unit": "PERIODS"},
            "priority": one.priority,
            "starting_at": t.instant(one.start),
            "proration": "FIRST_AND_LAST" if one.is_cut else "NONE",
        }

    def _charge(self, one: t.Charge) -> dict[str, Any]:
        return {"name": one.name, "product_id": self.fixed, "schedule": schedule(one.items)}

    def _sign(self, action: t.Sign) -> None:
        one = action.contract
        self.signed.append(action)
        terms: dict[str, Any] = {
            "name": one.name,
            "usage_statement_schedule": {
                "frequency": one.frequency,
                "day": "CONTRACT_START" if one.from_start else "FIRST_OF_MONTH",
            },
            "overrides": [self._override(override) for override in one.overrides],
            "scheduled_charges": [self._charge(c) for c in one.charges if not c.is_discount],
            "discounts": [self._charge(c) for c in one.charges if c.is_discount],
            "subscriptions": [self._subscription(seats) for seats in one.subscriptions],
            "recurring_credits": [self._recurring(recurring) for recurring in one.recurring],
            "commits": [self._grant(grant) for grant in action.grants if grant.kind != "CREDIT"],
            "credits": [self._grant(grant) for grant in action.grants if grant.kind == "CREDIT"],
        }
        if one.teams is not None:
            terms["usage_filter"] = {
                "group_key": "team",
                "group_values": list(one.teams),
                "starting_at": t.instant(one.start),
            }
        if one.renews is not None:
            terms["transition"] = {
                "type": "RENEWAL",
                "from_contract_id": self.contracts[one.renews],
            }
        end = None if one.end is None else t.instant(one.end)
        self.contracts[one.name] = self.customer.sign(t.instant(one.start), end, **terms)

    def _do_to_contract(
        self, action: t.Sign | t.Agree | t.Withdraw | t.Bill | t.End | t.Seats
    ) -> None:
        if isinstance(action, t.Sign):
            self._sign(action)
            return
        contract = self.contracts[action.contract]
        match action:
            case t.Agree(_, override):
                edit = self.customer.edit(contract, add_overrides=[self._override(override)])
                self.overrides[override.name] = edit.edit.add_overrides[0].id
            case t.Withdraw(_, gone):
                if gone not in self.overrides:
                    self._learn_overrides(action.contract)
                self.customer.edit(contract, remove_overrides=[{"id": self.overrides[gone]}])
            case t.Bill(_, charge):
                verb = "add_discounts" if charge.is_discount else "add_scheduled_charges"
                self.customer.edit(contract, **{verb: [self._charge(charge)]})
            case t.End(_, at):
                end = {} if at is None else {"ending_before": t.instant(at)}
                self.vendor.sdk.v1.contracts.update_end_date(
                    customer_id=self.customer.id, contract_id=contract, **end
                )
            case t.Seats(_, which, at, quantity):
                (one,) = [
                    one
                    for one in self.customer.contract(contract).subscriptions
                    if one.name == which
                ]
                update = {"starting_at": t.instant(at), "quantity": number(quantity)}
                self.customer.edit(
                    contract,
                    update_subscriptions=[
                        {"subscription_id": one.id, "quantity_updates": [update]}
                    ],
                )

    def _learn_overrides(self, name: str) -> None:
        """Ids of the overrides that the contract was signed with, which come in the order they were sent."""
        (sign,) = [one for one in self.signed if one.contract.name == name]
        shown = self.customer.contract(self.contracts[name]).overrides
        for term, override in zip(sign.contract.overrides, shown, strict=False):
            self.overrides[term.name] = override.id

    def _current(self, contract: str, start: t.Hour) -> str:
        """The id of the usage invoice of that period that was made last."""
        found = [
            one
            for one in self.customer.invoices(type="USAGE", contract_id=self.contracts[contract])
            if one.start_timestamp == t.instant(start)
        ]
        live = [one for one in found if one.status != "VOID"]
        if live:
            return str(live[0].id)
        replaced = {getattr(one, "regenerated_from_invoice_id", None) for one in found}
        (last,) = [one for one in found if one.id not in replaced]
        return str(last.id)

    # What is seen

    def facts(self) -> Facts:
        names = {contract_id: name for name, contract_id in self.contracts.items()}
        grants = self._names_of_grants(names)
        invoices = self.customer.invoices()
        drafts = {one.id for one in invoices if one.status == "DRAFT"}
        upcoming: dict[tuple[str | None, t.Hour], Fraction] = defaultdict(Fraction)
        for one in invoices:
            if one.id in drafts and one.type == "SCHEDULED":
                key = (names.get(one.contract_id), hour_of(one.start_timestamp))
                for line in one.line_items:
                    if line.type not in ("subscription", "applied_commit_or_credit"):
                        upcoming[key] += Fraction(line.total)
        shown = [(one.id in drafts, one.type, _invoice(one, names, grants)) for one in invoices]
        rows = self.customer.grants(include_archived=True)
        return {
            "final": sorted((row for draft, _, row in shown if not draft), key=repr),
            "drafts": sorted(
                (row for draft, kind, row in shown if draft and kind == "USAGE"), key=repr
            ),
            "upcoming": {
                key: rounded(total) for key, total in sorted(upcoming.items(), key=repr) if total
            },
            "entries": sorted(
                (
                    _entry(grants[grant.id], grant, entry)
                    for grant in rows.values()
                    for entry in grant.ledger or []
                    if getattr(entry, "invoice_id", None) not in drafts
                ),
                key=repr,
            ),
            "balances": dict(
                sorted(
                    (grants[grant.id], rounded(Fraction(grant.balance))) for grant in rows.values()
                )
            ),
        }

    def _names_of_grants(self, contracts: dict[str, str]) -> dict[str, str]:
        rows = self.customer.grants(include_archived=True)
        found = {}
        for one in rows.values():
            name = one.name
            if getattr(one, "recurring_commit_id", None) or "monthly" in name:
                name += f"@{hour_of(one.access_schedule.schedule_items[0].starting_at)}"
            if getattr(one, "rolled_over_from", None):
                name += f">{contracts[one.contract.id]}"
            found[one.id] = name
        return found


def _entry(name: str, grant: Any, entry: Any) -> tuple[Any, ...]:
    kind = entry.type
    for prefix in ("PREPAID_COMMIT_", "POSTPAID_COMMIT_", "CREDIT_"):
        if kind.startswith(prefix):
            kind = kind.removeprefix(prefix)
            break
    segments = [one.id for one in grant.access_schedule.schedule_items]
    segment = getattr(entry, "segment_id", None)
    number = segments.index(segment) if segment else 0
    return (name, number, kind, rounded(Fraction(entry.amount)), hour_of(entry.timestamp))


def _invoice(one: Any, contracts: dict[str, str], grants: dict[str, str]) -> tuple[Any, ...]:
    lines: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for line in one.line_items:
        if line.type == "usage":
            region = (line.pricing_group_values or {}).get("region") or ""
            team = (line.presentation_group_values or {}).get("team") or ""
            what = f"{line.name}/{region}/{team}"
        elif line.type == "subscription":
            what = f"{line.name}//" if one.type == "USAGE" else line.name
        elif line.type == "applied_commit_or_credit":
            what = grants[line.applied_commit_or_credit.id]
        else:
            what = grants.get(line.commit_id, line.name)
        lines[line.type, what] += Fraction(line.total)
    kept = {key: rounded(amount) for key, amount in lines.items() if amount}
    return (
        *(one.type, contracts.get(one.contract_id)),
        *(hour_of(one.start_timestamp), hour_of(one.end_timestamp), one.status),
        hour_of(one.issued_at) if one.type == "USAGE" and one.issued_at else None,
        *(tuple(sorted(kept.items())), rounded(Fraction(one.total))),
    )


def price(of: t.Price) -> dict[str, Any]:
    """The fields of a rate."""
    tiers = [
        {"price": number(each), **({} if size is None else {"size": number(size)})}
        for each, size in of.tiers
    ]
    if of.kind == "FLAT":
        return {"rate_type": "FLAT", "price": tiers[0]["price"]}
    if of.kind == "TIERED":
        return {"rate_type": "TIERED", "tiers": tiers}
    if of.kind == "VOLUME":
        return {"rate_type": "CUSTOM", "custom_rate": {"model": "VOLUME", "tiers": tiers}}
    assert of.size is not None
    package = {"model": "PACKAGE", "price": tiers[0]["price"], "package_size": number(of.size)}
    return {"rate_type": "CUSTOM", "custom_rate": package}


def schedule(items: Iterable[tuple[t.Hour, Fraction]]) -> dict[str, Any]:
    return {
        "credit_type_id": USD,
        "schedule_items": [
            {"timestamp": t.instant(at), "amount": number(amount)} for at, amount in items
        ],
    }
