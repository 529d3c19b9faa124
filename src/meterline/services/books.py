"""The books of customers: loaded whole, settled by the core's steps, written once.

Whoever writes a customer's terms calls `lock` first in his transaction and `settle` last, so that whatever is due at
once is done when the transaction commits. The scheduler does the rest as time passes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from meterline.core.lifecycle.account import Account
from meterline.store.database import Connection

if TYPE_CHECKING:
    from meterline.core.lifecycle import Drafts  # type: ignore[attr-defined]


async def lock(connection: Connection, customer_id: UUID) -> None:
    """Hold a customer's books until the transaction ends: he has one writer at a time.

    Call before anything of his is read or written. An unknown customer holds nothing.
    """
    raise NotImplementedError


async def load(
    connection: Connection, environment_id: int, customer_ids: Collection[UUID], now: datetime
) -> dict[UUID, Account]:
    """Return the account of every customer, in a fixed number of queries.

    Terms and stored facts; `now` is the environment's time. Unknown customers have an account with nothing in it.
    """
    raise NotImplementedError


async def settle(
    connection: Connection, environment_id: int, customer_ids: Collection[UUID], now: datetime
) -> None:
    """Perform every step of these customers that is due by `now`, in order, and write what they add.

    Sets when each falls due next. The caller holds their books. Raises what a step raises: nothing is then written.
    """
    raise NotImplementedError


async def live(
    connection: Connection, environment_id: int, account: Account, now: datetime
) -> Drafts:
    """Return the customer's drafts at `now`, and the ledger entries that are pending with them.

    Reads the usage of every statement that is not final.
    """
    raise NotImplementedError
