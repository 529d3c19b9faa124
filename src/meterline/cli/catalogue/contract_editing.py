"""What brings a contract that exists to what a file says: one edit, or why there can be none.

Parts are known by name. A missing part is added; the contract's end, name and payment terms, and the quantity of a
subscription, are changed. A part that is there with other terms is left: what was sold under it may be invoiced
already, so that takes an edit that says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from meterline.cli.catalogue.amounts import instant, timestamp
from meterline.cli.catalogue.contract_bodies import PARTS, Body
from meterline.cli.catalogue.likeness import same, unlike
from meterline.cli.catalogue.platform import Found, Row
from meterline.cli.catalogue.requests import Ref
from meterline.cli.catalogue.source import Place

# What a contract keeps for its life.
FIXED = ("starting_at", "rate_card_id")


@dataclass(slots=True)
class Edit:
    """`body`: of the edit, without the contract's ids; `words`: what it does; `reasons`: what it cannot, and where."""

    existing: Row
    found: Found
    place: Place
    body: Body = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    reasons: list[tuple[Place, str]] = field(default_factory=list)

    @classmethod
    def of(cls, wanted: Body, existing: Row, found: Found, place: Place) -> Edit:
        """Compare a contract as a file wants it (the body of contracts/create) with the one that is shown."""
        edit = cls(existing, found, place)
        edit._terms(wanted)
        for part in PARTS:
            edit._parts(part, wanted.get(part, ()))
        edit._overrides(wanted.get("overrides", ()))
        return edit

    def _terms(self, wanted: Body) -> None:
        fixed: Body = {name: wanted[name] for name in FIXED if name in wanted}
        if "usage_statement_schedule" in wanted:
            frequency = wanted["usage_statement_schedule"]["frequency"]
            fixed["usage_statement_schedule"] = {"frequency": frequency}
        for name in unlike(with_ids(fixed, self.found), self.existing):
            reason = f"{name} cannot change: end it and make another"
            self.reasons.append((self.place, reason))
        for name, update, words in (
            ("name", "update_contract_name", "is named {}"),
            ("ending_before", "update_contract_end_date", "ends {}"),
            ("net_payment_terms_days", "update_net_payment_terms_days", "net {} days"),
        ):
            if name in wanted and not same(wanted[name], self.existing.get(name)):
                self.body[update] = wanted[name]
                self.words.append(words.format(wanted[name]))

    def _parts(self, part: str, wanted: Sequence[Body]) -> None:
        rows = self.existing.get(part) or ()
        shown = {row.get("name"): row for row in rows if not _is_derived(row)}
        for number, given in enumerate(wanted):
            place = (*self.place, part, number)
            row = self._with_subscription(given)
            label = f"{part.removesuffix('s').replace('_', ' ')} {row['name']}"
            if row["name"] not in shown:
                self.body.setdefault(f"add_{part}", []).append(row)
                self.words.append(f"+ {label}")
                continue
            known = shown[row["name"]]
            for name in unlike(with_ids(row, self.found), known):
                reason = f"{label}: {name} differs; edit it, or name the new terms otherwise"
                self.reasons.append((place, reason))
            if part == "subscriptions":
                self._quantity(row, known, label)

    def _with_subscription(self, row: Body) -> Body:
        """A recurring grant names its subscription by the file's name: by its id, once it has one."""
        config = row.get("subscription_config")
        if config is None:
            return row
        rows = self.existing.get("subscriptions") or ()
        ids = {one.get("name"): one["id"] for one in rows if "id" in one}
        name = config["subscription_id"]
        return row | {"subscription_config": config | {"subscription_id": ids.get(name, name)}}

    def _quantity(self, wanted: Body, shown: Row, label: str) -> None:
        """The file's quantity is the one that holds now; another one holds from the current hour on."""
        schedule = [
            row
            for row in shown.get("quantity_schedule") or ()
            if row.get("ending_before") is None or instant(row["ending_before"]) > self.found.now
        ]
        if not schedule or same(wanted["initial_quantity"], schedule[0]["quantity"]):
            return
        hour = self.found.now.replace(minute=0, second=0, microsecond=0)
        at = timestamp(max(hour, instant(shown["starting_at"])))
        update = {"starting_at": at, "quantity": wanted["initial_quantity"]}
        self.body.setdefault("update_subscriptions", []).append(
            {"subscription_id": shown["id"], "quantity_updates": [update]}
        )
        old, new = schedule[0]["quantity"], wanted["initial_quantity"]
        self.words.append(f"{label}: {old} → {new} from {at}")

    def _overrides(self, wanted: Sequence[Body]) -> None:
        """Overrides have no names: one is there if some override shown says all of it."""
        shown = list(self.existing.get("overrides") or ())
        missing = []
        for row in wanted:
            known = with_ids(row, self.found)
            match = next((one for one in shown if not any(unlike(known, one))), None)
            if match is None:
                missing.append(row)
            else:
                shown.remove(match)
        for row in missing:
            self.body.setdefault("add_overrides", []).append(row)
            self.words.append(f"+ override {row['type'].lower()} from {row['starting_at']}")
        if missing and shown:
            stays = "stays" if len(shown) == 1 else "stay"
            self.words.append(f"{len(shown)} of its overrides the file does not name, and {stays}")


def with_ids(value: Any, found: Found) -> Any:
    """A body with ids where they are known; what does not exist yet differs from anything shown."""
    if isinstance(value, Ref):
        return found.ids.get((value.kind, value.name), "does not exist yet")
    if isinstance(value, dict):
        return {name: with_ids(one, found) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [with_ids(one, found) for one in value]
    return value


def _is_derived(row: Row) -> bool:
    """Whether a grant is one that a recurring one made, or a renewal: it has the name of that."""
    makers = ("recurring_commit_id", "recurring_credit_id", "rolled_over_from")
    return any(row.get(name) for name in makers)
