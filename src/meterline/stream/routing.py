"""Where an event goes: by its identity, never by its customer, so that a hot customer spreads over all partitions.

The event id is 128 bits of BLAKE2b over (environment, transaction id); its first 32 bits choose the partition by
contiguous ranges. Going from n to 3n partitions splits each range in three, and the ids of a partition lie side by
side in the seen index.
"""

from hashlib import blake2b

EVENT_ID_BYTES = 16


def event_id(environment_id: int, transaction_id: str) -> bytes:
    """Return the 16-byte identity that duplicates share."""
    return blake2b(
        environment_id.to_bytes(4, "big") + transaction_id.encode(), digest_size=EVENT_ID_BYTES
    ).digest()


def partition_of(identity: bytes, partitions: int) -> int:
    """Return the partition, 0 <= p < `partitions`, that owns `identity`'s range."""
    return (int.from_bytes(identity[:4], "big") * partitions) >> 32
