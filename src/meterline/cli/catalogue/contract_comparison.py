"""The differences between customers, contracts and grants in a file and on a platform.

A contract is known by its uniqueness key, else by its name; a customer's own grants likewise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from meterline.cli.catalogue.amounts import timestamp
from meterline.cli.catalogue.bodies import instant_text
from meterline.cli.catalogue.contract_bodies import PARTS, Body, TermWriter
from meterline.cli.catalogue.contract_editing import Edit, with_ids
from meterline.cli.catalogue.differences import Action, Difference
from meterline.cli.catalogue.likeness import unlike
from meterline.cli.catalogue.model import CatalogueFile
from meterline.cli.catalogue.platform import Found, Row, contract_of
from meterline.cli.catalogue.rate_comparison import months_ago
from meterline.cli.catalogue.requests import (
    Key,
    Ref,
    Request,
    contract_ref,
    references,
    resolved,
)
from meterline.cli.catalogue.source import Place, Source
from meterline.cli.catalogue.terms import Contract, Customer, Grant

# A customer's own grants need one; those of contracts do without.
GRANT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a contract stands: its customer and its place in the file. `known`: what its terms may name."""

    source: Source
    customer: str
    place: Place
    found: Found
    known: Collection[tuple[str, str]]

    def check(self, body: Body) -> None:
        """Raise CommandError for what a body names that neither the file nor the platform has."""
        for ref in references(body):
            if (ref.kind, ref.name) not in self.known:
                raise self.source.fault(ref.place, f"there is no {ref.kind} {ref.name!r}")

    @property
    def owner(self) -> Ref:
        """The customer's id."""
        return Ref("customer", self.customer)


def customer_differences(
    source: Source, wanted: CatalogueFile, customer: Customer, place: Place, found: Found
) -> Iterator[Difference]:
    """Yield what is to be done for a customer, his contracts and his own grants."""
    yield from _customer(customer, place, found)
    named = {("product", one.name) for one in wanted.products}
    named |= {("rate card", one.name) for one in wanted.rate_cards}
    named |= {("unit", one.name) for one in wanted.units}
    contracts = (contract_ref(customer.name, one.name) for one in customer.contracts)
    named |= {(ref.kind, ref.name) for ref in contracts}
    site = _Site(source, customer.name, place, found, named | set(found.ids))
    if customer.rate_card is not None:
        yield from _short_contract(customer, site)
    currencies = {card.name: card.currency for card in wanted.rate_cards}
    seen: set[str] = set()
    for number, contract in enumerate(customer.contracts):
        at = (*place, "contracts", number)
        if contract.name in seen:
            raise source.fault((*at, "name"), f"{contract.name!r} is given twice")
        seen.add(contract.name)
        writer = TermWriter(source, currencies.get(contract.rate_card or "", "USD"))
        yield from _contract(writer, contract, replace(site, place=at))
    for kind in ("commit", "credit"):
        grants = customer.commits if kind == "commit" else customer.credits
        yield from _grants(kind, grants, site)


def _customer(customer: Customer, place: Place, found: Found) -> Iterator[Difference]:
    existing = found.customers.get(customer.name)
    if existing is None:
        body = {"name": customer.name, "ingest_aliases": customer.ingest_aliases}
        create = Request("/v1/customers", body, makes=Ref("customer", customer.name))
        yield Difference(Action.CREATE, "customer", customer.name, place, requests=(create,))
        return
    missing = [one for one in customer.ingest_aliases if one not in existing["ingest_aliases"]]
    if missing:
        aliases = [*existing["ingest_aliases"], *missing]
        path = f"/v1/customers/{existing['id']}/setIngestAliases"
        update = Request(path, {"ingest_aliases": aliases})
        words = (f"ingest aliases: {', '.join(missing)}",)
        yield Difference(Action.CHANGE, "customer", customer.name, place, words, None, (update,))
    if existing["name"] != customer.name:
        path = f"/v1/customers/{existing['id']}/setName"
        rename = Request(path, {"name": customer.name})
        words = (f"name: was {existing['name']}",)
        yield Difference(Action.CHANGE, "customer", customer.name, place, words, None, (rename,))


def _short_contract(customer: Customer, site: _Site) -> Iterator[Difference]:
    """One contract on a card and nothing else, however often the file is applied."""
    assert customer.rate_card is not None
    place = (*site.place, "rate_card")
    card = Ref("rate card", customer.rate_card, place)
    key = Key(("apply", site.owner, card))
    if _known(site, None, key) is not None:
        return
    starting_at = timestamp(months_ago(site.found.now, 2))
    if customer.starting_at is not None:
        at = (*site.place, "starting_at")
        starting_at = instant_text(site.source, customer.starting_at, at)
    body = {
        "customer_id": site.owner,
        "rate_card_id": card,
        "starting_at": starting_at,
        "uniqueness_key": key,
    }
    name = f"{customer.name} on {customer.rate_card}"
    create = Request("/v1/contracts/create", body)
    yield Difference(Action.CREATE, "contract", name, place, (), starting_at, (create,))


def _contract(writer: TermWriter, contract: Contract, site: _Site) -> Iterator[Difference]:
    key = Key((contract.key,)) if contract.key else Key(("apply", site.owner, contract.name))
    name = f"{contract.name} of {site.customer}"
    body = writer.contract(contract, site.place)
    site.check(body)
    existing = _known(site, contract.name, key)
    if existing is None:
        create = Request(
            "/v1/contracts/create",
            {"customer_id": site.owner, "uniqueness_key": key, **body},
            makes=contract_ref(site.customer, contract.name),
        )
        words = tuple(
            f"{len(body[part])} {part.replace('_', ' ')}"
            for part in ("overrides", *PARTS)
            if part in body
        )
        yield Difference(
            Action.CREATE, "contract", name, site.place, words, body["starting_at"], (create,)
        )
        return
    edit = Edit.of(body, existing, site.found, site.place)
    for place, reason in edit.reasons:
        yield Difference(Action.IMPOSSIBLE, "contract", name, place, (reason,))
    if edit.body:
        request = Request(
            "/v2/contracts/edit",
            {"customer_id": site.owner, "contract_id": existing["id"], **edit.body},
        )
        yield Difference(
            Action.CHANGE, "contract", name, site.place, tuple(edit.words), None, (request,)
        )


def _grants(kind: str, wanted: Sequence[Grant], site: _Site) -> Iterator[Difference]:
    writer = TermWriter(site.source)
    for number, grant in enumerate(wanted):
        place = (*site.place, f"{kind}s", number)
        body = writer.grant(grant, place, is_commit=kind == "commit")
        body.setdefault("priority", GRANT_PRIORITY)
        body |= _of_contracts(grant, site, place)
        site.check(body)
        name = f"{grant.name} of {site.customer}"
        key = Key(("apply", site.owner, kind, grant.name))
        existing = _known_grant(site, grant.name, key)
        if existing is None:
            path = f"/v1/contracts/customer{kind.title()}s/create"
            create = Request(path, {"customer_id": site.owner, "uniqueness_key": key, **body})
            yield Difference(Action.CREATE, kind, name, place, (), None, (create,))
            continue
        for field in unlike(with_ids(body, site.found), existing):
            reason = f"{field} differs; edit it, or name the new terms otherwise"
            yield Difference(Action.IMPOSSIBLE, kind, name, place, (reason,))


def _of_contracts(grant: Grant, site: _Site, place: Place) -> Body:
    body: Body = {}
    if grant.invoice_contract is not None:
        at = (*place, "invoice_contract")
        body["invoice_contract_id"] = contract_ref(site.customer, grant.invoice_contract, at)
    if grant.contracts:
        body["applicable_contract_ids"] = [
            contract_ref(site.customer, name, (*place, "contracts", number))
            for number, name in enumerate(grant.contracts)
        ]
    return body


def _known(site: _Site, name: str | None, key: Key) -> Row | None:
    try:
        text = resolved(key, site.found.ids)
    except KeyError:  # the customer or the card does not exist yet
        return None
    return contract_of(site.found, site.customer, name, text)


def _known_grant(site: _Site, name: str, key: Key) -> Row | None:
    rows = site.found.grants.get(site.customer, [])
    try:
        text = resolved(key, site.found.ids)
    except KeyError:
        return None
    by_key = (row for row in rows if row.get("uniqueness_key") == text)
    return next(by_key, None) or next((row for row in rows if row.get("name") == name), None)
