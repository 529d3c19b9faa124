"""Parts of a contract as asked for: terms with their ids, and what beside them is only kept and shown again.

The edge makes them of what was sent (`place` says where it stood, for messages: "commits[0]."), the use cases check
them and store them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

from meterline.core.contract.override import Override
from meterline.core.contract.professional_service import ProfessionalService
from meterline.core.contract.recurring import RecurringGrant
from meterline.core.contract.schedule import ScheduleTerms
from meterline.core.contract.subscription import Subscription
from meterline.core.errors import Issue
from meterline.core.ledger.grant import Grant, GrantKind
from meterline.services.custom_fields import Entity

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class PlannedGrant:
    """A grant without its invoice schedule, and the schedule it is to have (None: complimentary)."""

    grant: Grant
    invoice: ScheduleTerms | None = None

    @property
    def id(self) -> UUID:
        """The grant's id."""
        return self.grant.id


@dataclass(frozen=True, slots=True)
class PlannedCharge:
    """A scheduled charge or discount, and the schedule it is to have."""

    id: UUID
    product_id: UUID
    schedule: ScheduleTerms
    name: str | None = None
    is_discount: bool = False


@dataclass(frozen=True, slots=True)
class NewPart(Generic[Value]):
    """A part to be added. `shown`: what is given back as it came."""

    place: str
    value: Value
    shown: Mapping[str, Any] = field(default_factory=dict)
    custom_fields: Mapping[str, str] = field(default_factory=dict)

    def issues(self, found: list[Issue]) -> Iterator[Issue]:
        """Yield the issues of the part as issues of the request."""
        for issue in found:
            yield Issue(f"{self.place}{issue.field}", issue.message)


@dataclass(frozen=True, slots=True)
class NewParts:
    """What a contract begins with, or an edit adds to it."""

    grants: tuple[NewPart[PlannedGrant], ...] = ()
    recurring: tuple[NewPart[RecurringGrant], ...] = ()
    overrides: tuple[NewPart[Override], ...] = ()
    charges: tuple[NewPart[PlannedCharge], ...] = ()
    subscriptions: tuple[NewPart[Subscription], ...] = ()
    services: tuple[NewPart[ProfessionalService], ...] = ()

    def bearers(self) -> Iterator[tuple[Entity, UUID, Mapping[str, str]]]:
        """Yield what bears custom fields, for `custom_fields.claim`."""
        for grant in self.grants:
            kind = grant.value.grant.kind
            entity = Entity.CONTRACT_CREDIT if kind is GrantKind.CREDIT else Entity.COMMIT
            yield entity, grant.value.id, grant.custom_fields
        for charge in self.charges:
            entity = Entity.DISCOUNT if charge.value.is_discount else Entity.SCHEDULED_CHARGE
            yield entity, charge.value.id, charge.custom_fields
        for subscription in self.subscriptions:
            yield Entity.SUBSCRIPTION, subscription.value.id, subscription.custom_fields
        for service in self.services:
            yield Entity.PROFESSIONAL_SERVICE, service.value.id, service.custom_fields

    def ids(self) -> frozenset[UUID]:
        """The ids of all parts."""
        every: tuple[NewPart[Any], ...] = (*self.grants, *self._own_parts())
        return frozenset(part.value.id for part in every)

    def shown(self) -> dict[str, dict[str, Any]]:
        """What is only shown again, by part; grants keep theirs in their own rows."""
        kept = {
            str(part.value.id): {
                **part.shown,
                **({"custom_fields": dict(part.custom_fields)} if part.custom_fields else {}),
            }
            for part in self._own_parts()
        }
        return {identity: fields for identity, fields in kept.items() if fields}

    def _own_parts(self) -> tuple[NewPart[Any], ...]:
        """What the contract's own row keeps."""
        return (
            *self.recurring,
            *self.overrides,
            *self.charges,
            *self.subscriptions,
            *self.services,
        )


NOTHING = NewParts()
