"""The statements of a metering cycle, in the order in which its transaction runs them."""

# Of the session: where a cycle's rows wait until the statements below take them in sets.
CREATE_STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS arrival (
    place integer, environment_id integer, event_id uuid, partition integer, record_offset bigint
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS new_series (
    environment_id integer, series_id uuid, ingest_key text, metric_id uuid, group_values jsonb
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS contribution (
    environment_id integer, series_id uuid, hour integer, fold "char", quantity numeric, latest_at bigint,
    latest_id uuid
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS member_contribution (
    environment_id integer, series_id uuid, hour integer, member text
) ON COMMIT DELETE ROWS;
"""

# Commit does so by itself; this is for several derivations in one transaction.
EMPTY_STAGING = "TRUNCATE arrival, new_series, contribution, member_contribution"

COPY_ARRIVALS = "COPY arrival FROM STDIN (FORMAT BINARY)"

# A sub-select with LIMIT is never turned into a join, so this is one index probe an id and time partition, always:
# a join may be planned from statistics of an empty table, and then compares every id with every other.
REPEATED_ARRIVALS = """
SELECT a.place
  FROM arrival a
 WHERE (SELECT true FROM seen_event s WHERE s.event_id = a.event_id AND s.seen_at > %(since)s LIMIT 1)
"""

DROP_ARRIVALS = "DELETE FROM arrival WHERE place = ANY (%(places)s)"

KEEP_ARRIVALS = """
INSERT INTO seen_event (environment_id, event_id, seen_at, partition, record_offset)
SELECT environment_id, event_id, %(now)s, partition, record_offset FROM arrival
"""

RECORD_DUPLICATES = """
INSERT INTO duplicate_event (environment_id, event_id, seen_at, partition, record_offset)
SELECT environment_id, event_id, %(now)s, partition, record_offset
  FROM unnest(%(environments)s::integer[], %(ids)s::uuid[], %(partitions)s::integer[], %(offsets)s::bigint[])
       AS d (environment_id, event_id, partition, record_offset)
"""

COPY_SERIES = "COPY new_series FROM STDIN (FORMAT CSV)"

# In order of id, so that two workers which meet the same new series cannot wait for each other in a circle.
KEEP_SERIES = """
INSERT INTO usage_series (environment_id, series_id, ingest_key, metric_id, group_values)
SELECT environment_id, series_id, ingest_key, metric_id, group_values FROM new_series
 ORDER BY environment_id, series_id
ON CONFLICT DO NOTHING
"""

COPY_CONTRIBUTIONS = "COPY contribution FROM STDIN (FORMAT CSV)"

# 'm'ax keeps the larger, 'l'atest the later (ties by id), 's'um adds.
ADD_CONTRIBUTIONS = """
INSERT INTO usage_live AS kept (environment_id, series_id, hour, writer, fold, quantity, latest_at, latest_id)
SELECT environment_id, series_id, hour, %(writer)s, fold, trim_scale(quantity), latest_at, latest_id
  FROM contribution
ON CONFLICT (environment_id, series_id, hour, writer) DO UPDATE
   SET quantity = CASE kept.fold
           WHEN 's' THEN kept.quantity + excluded.quantity
           WHEN 'm' THEN greatest(kept.quantity, excluded.quantity)
           ELSE CASE WHEN (excluded.latest_at, excluded.latest_id) > (kept.latest_at, kept.latest_id)
                     THEN excluded.quantity ELSE kept.quantity END
       END,
       latest_at = greatest(kept.latest_at, excluded.latest_at),
       latest_id = CASE WHEN (excluded.latest_at, excluded.latest_id) > (kept.latest_at, kept.latest_id)
                        THEN excluded.latest_id ELSE kept.latest_id END
"""

COPY_MEMBERS = "COPY member_contribution FROM STDIN (FORMAT CSV)"

ADD_MEMBERS = """
INSERT INTO usage_member_live (environment_id, series_id, hour, writer, member)
SELECT environment_id, series_id, hour, %(writer)s, member FROM member_contribution
 ORDER BY environment_id, series_id, hour, member
ON CONFLICT DO NOTHING
"""

ADD_UNMATCHED = """
INSERT INTO unmatched_metric AS kept (environment_id, event_type, day, writer, events)
SELECT environment_id, event_type, date '1970-01-01' + day, %(writer)s, events
  FROM unnest(%(environments)s::integer[], %(event_types)s::text[], %(days)s::integer[], %(events)s::bigint[])
       AS u (environment_id, event_type, day, events)
ON CONFLICT (environment_id, event_type, day, writer) DO UPDATE SET events = kept.events + excluded.events
"""

PARK = """
INSERT INTO parked_event (environment_id, partition, record_offset, transaction_id, metric_id, reason, event, parked_at)
VALUES (%(environment_id)s, %(partition)s, %(record_offset)s, %(transaction_id)s, %(metric_id)s, %(reason)s,
        %(event)s, %(now)s)
"""

TOUCH = """
INSERT INTO usage_touch (environment_id, ingest_keys, events, first_hours, last_hours, appended_at)
VALUES (%(environment_id)s, %(ingest_keys)s, %(events)s, %(first_hours)s, %(last_hours)s, %(appended_at)s)
"""

# The fence and the offsets are one statement: a row that is missing from its count was taken by another owner.
MOVE = """
UPDATE stream_partition p
   SET next_offset = m.next, events = p.events + m.events, position_at = m.position_at, metered_at = now()
  FROM unnest(%(partitions)s::integer[], %(epochs)s::bigint[], %(expected)s::bigint[], %(next)s::bigint[],
              %(events)s::bigint[], %(positions)s::timestamptz[])
       AS m (partition, epoch, expected, next, events, position_at)
 WHERE p.partition = m.partition AND p.epoch = m.epoch AND p.next_offset = m.expected
"""

LIVE_METRICS = """
SELECT environment_id, metric_id, name, aggregation_type, aggregation_key, event_type_filter, property_filters,
       group_keys, event_minimum, event_maximum
  FROM billable_metric
 WHERE environment_id = ANY (%(environments)s) AND archived_at IS NULL
 ORDER BY environment_id, metric_id
"""
