"""The statements of the PostgreSQL log."""

# The rows of log_partition are locked in order of partition, so that two gateways never wait for each other in a
# circle; the lock lives until the commit is durable, so offsets have no gaps and appear in order.
# Values go in binary form: as text an array of them is five times as large, and costs more than all the rest.
# The clock is read after the lock: appended_at never falls within a partition.
APPEND = """
WITH batch AS MATERIALIZED (
    SELECT * FROM unnest(%(environments)s::integer[], %(partitions)s::integer[], %(events)s::integer[],
                         %(values)b::bytea[])
             WITH ORDINALITY AS b (environment_id, partition, events, value, place)
), locked AS MATERIALIZED (
    SELECT partition FROM log_partition WHERE partition = ANY (%(partitions)s::integer[]) ORDER BY partition FOR UPDATE
), moved AS (
    UPDATE log_partition p
       SET next_offset = p.next_offset + added.records, events = p.events + added.events
      FROM (SELECT partition, count(*) AS records, sum(events) AS events FROM batch GROUP BY partition) added
     WHERE p.partition = added.partition AND p.partition IN (SELECT partition FROM locked)
 RETURNING p.partition, p.next_offset - added.records AS first_offset, clock_timestamp() AS appended_at
)
INSERT INTO log_record (environment_id, partition, record_offset, appended_at, events, value)
SELECT b.environment_id, b.partition,
       m.first_offset + row_number() OVER (PARTITION BY b.partition ORDER BY b.place) - 1,
       m.appended_at, b.events, b.value
  FROM batch b JOIN moved m USING (partition)
"""

CREATE_PARTITIONS = """
INSERT INTO log_partition (partition) SELECT generate_series(0, %(partitions)s - 1) ON CONFLICT DO NOTHING
"""

BEGIN_ROUTING = """
INSERT INTO log_routing (partitions, log) VALUES (%(partitions)s, 'postgresql') ON CONFLICT DO NOTHING
"""

COUNT_PARTITIONS = "SELECT count(*) FROM log_partition"

ROUTED_OVER = "SELECT coalesce(max(partitions), 0) FROM log_routing"

ENDS = "SELECT partition, next_offset FROM log_partition ORDER BY partition"

# A day of slack, so that a clock set back cannot hide a record from the look-up by time partition.
READ = """
SELECT r.environment_id, r.partition, r.record_offset, r.events, r.appended_at, r.value
  FROM unnest(%(partitions)s::integer[], %(offsets)s::bigint[], %(since)s::timestamptz[])
       AS at (partition, first, since),
       LATERAL (
           SELECT environment_id, partition, record_offset, events, appended_at, value,
                  sum(events) OVER (ORDER BY record_offset) - events AS events_before
             FROM (SELECT * FROM log_record
                    WHERE partition = at.partition AND record_offset >= at.first
                      AND appended_at >= at.since - interval '1 day'
                    ORDER BY record_offset LIMIT %(records_limit)s) next_records
       ) r
 WHERE r.events_before < %(events_limit)s
 ORDER BY r.partition, r.record_offset
"""

FETCH = """
SELECT environment_id, partition, record_offset, events, appended_at, value
  FROM log_record
  JOIN unnest(%(partitions)s::integer[], %(offsets)s::bigint[]) AS wanted (partition, record_offset)
       USING (partition, record_offset)
"""

# Behind each partition's mark is the oldest record that is not consumed. A day of slack as in READ.
BEHIND = """
SELECT l.partition, l.next_offset, l.events - coalesce(m.events, 0) AS events, r.appended_at
  FROM log_partition l
  LEFT JOIN unnest(%(partitions)s::integer[], %(offsets)s::bigint[], %(events)s::bigint[])
       AS m (partition, mark, events) USING (partition)
  LEFT JOIN stream_partition s USING (partition)
  LEFT JOIN LATERAL (
       SELECT appended_at FROM log_record
        WHERE partition = l.partition AND record_offset = coalesce(m.mark, 0)
          AND appended_at >= coalesce(s.position_at, 'epoch') - interval '1 day'
          AND l.next_offset > coalesce(m.mark, 0)
        LIMIT 1) r ON true
 ORDER BY l.partition
"""
