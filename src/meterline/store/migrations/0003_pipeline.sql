-- The pipeline: log, ownership, seen index, usage, spend.
-- Installation-wide tables have no environment_id; the catalogue test lists them by name.

-- One row a partition: where the log ends. Appending locks the row, so offsets are gap-free and appear in order.
CREATE TABLE log_partition (
    partition   integer PRIMARY KEY,
    next_offset bigint NOT NULL DEFAULT 0,
    events      bigint NOT NULL DEFAULT 0     -- appended since ever, so that lag is known in events
) WITH (fillfactor = 20);
GRANT SELECT, INSERT, UPDATE ON log_partition TO meterline_pipeline;
GRANT SELECT ON log_partition TO meterline_api;

-- A record holds one or more events of one environment, one JSON object a line, compressed with zstd.
CREATE TABLE log_record (
    environment_id integer NOT NULL,
    partition      integer NOT NULL,
    record_offset  bigint NOT NULL,
    appended_at    timestamptz NOT NULL,
    events         integer NOT NULL CHECK (events > 0),
    value          bytea NOT NULL
) PARTITION BY RANGE (appended_at);
ALTER TABLE log_record ALTER COLUMN value SET STORAGE EXTERNAL;  -- compressed already
CREATE INDEX log_record_position ON log_record (partition, record_offset);
CALL guard_by_environment('log_record', 'SELECT');

-- A worker process leases a slot; the slot's number is the writer of its partial sums.
CREATE TABLE worker_slot (
    slot         smallint PRIMARY KEY,
    epoch        bigint NOT NULL,
    worker_id    uuid NOT NULL,
    heartbeat_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON worker_slot TO meterline_pipeline;
GRANT SELECT ON worker_slot TO meterline_api;

-- Where metering stands, a row a partition. Taking a partition bumps the epoch and so fences its last owner.
CREATE TABLE stream_partition (
    partition   integer PRIMARY KEY,
    epoch       bigint NOT NULL DEFAULT 0,
    owner       smallint,
    next_offset bigint NOT NULL DEFAULT 0,
    events      bigint NOT NULL DEFAULT 0,    -- metered since ever; log_partition.events less this is the lag
    position_at timestamptz NOT NULL DEFAULT 'epoch',  -- when the last record consumed was appended
    metered_at  timestamptz
) WITH (fillfactor = 20);
GRANT SELECT, INSERT, UPDATE ON stream_partition TO meterline_pipeline;
GRANT SELECT ON stream_partition TO meterline_api;

-- Ids of the events accepted, by arrival. Only the owner of an id's log partition writes it, so the cycle's fence,
-- not a constraint across time partitions, makes ids unique.
CREATE TABLE seen_event (
    environment_id integer NOT NULL,
    event_id       uuid NOT NULL,
    seen_at        timestamptz NOT NULL,
    partition      integer NOT NULL,
    record_offset  bigint NOT NULL
) PARTITION BY RANGE (seen_at);
CREATE INDEX seen_event_id ON seen_event (event_id);
CALL guard_by_environment('seen_event', 'SELECT');

-- Repeats that were dropped: few, and asked for by the event search.
CREATE TABLE duplicate_event (
    environment_id integer NOT NULL,
    event_id       uuid NOT NULL,
    seen_at        timestamptz NOT NULL,
    partition      integer NOT NULL,
    record_offset  bigint NOT NULL
) PARTITION BY RANGE (seen_at);
CREATE INDEX duplicate_event_id ON duplicate_event (event_id);
CALL guard_by_environment('duplicate_event', 'SELECT');

-- Events, or single contributions of one, that could not be metered, with the reason.
CREATE TABLE parked_event (
    environment_id integer NOT NULL,
    parked_row     bigint GENERATED ALWAYS AS IDENTITY,
    partition      integer NOT NULL,
    record_offset  bigint NOT NULL,
    transaction_id text,
    metric_id      uuid,
    reason         text NOT NULL,
    event          text NOT NULL,
    parked_at      timestamptz NOT NULL,
    PRIMARY KEY (environment_id, parked_row)
);
CALL guard_by_environment('parked_event', 'SELECT');

-- What a series_id stands for. The id's first half is a hash of (environment, ingest key), so that the series of a
-- customer lie side by side; the second half hashes metric and group values.
CREATE TABLE usage_series (
    environment_id integer NOT NULL,
    series_id      uuid NOT NULL,
    ingest_key     text COLLATE "C" NOT NULL,  -- customer id or ingest alias, as sent
    metric_id      uuid NOT NULL,
    group_values   jsonb NOT NULL,             -- {"property": value or null}, every group property of the metric
    PRIMARY KEY (environment_id, series_id)
);
CREATE INDEX usage_series_ingest_key ON usage_series (environment_id, ingest_key, metric_id);
CALL guard_by_environment('usage_series', 'SELECT');

-- Partial sums of hours not compacted yet. Only the worker that leases slot `writer` adds to a row.
-- hour: whole hours since 1970-01-01T00:00Z. fold: 's'um (and count), 'm'ax, 'l'atest.
CREATE TABLE usage_live (
    environment_id integer NOT NULL,
    series_id      uuid NOT NULL,
    hour           integer NOT NULL,
    writer         smallint NOT NULL,
    fold           "char" NOT NULL,
    quantity       numeric NOT NULL,
    latest_at      bigint,                     -- microseconds since 1970, LATEST only
    latest_id      uuid,                       -- the event's id: breaks ties of latest_at
    PRIMARY KEY (environment_id, series_id, hour, writer)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);  -- rewritten by each cycle, emptied by compaction
CALL guard_by_environment('usage_live', 'SELECT');

-- Compacted usage: each closed hour once (grain 'h'), and its running totals by UTC day ('d') and month ('m').
-- A row of usage_live moves here exactly once, into all three grains, in one transaction; late events move again.
CREATE TABLE usage_rollup (
    environment_id integer NOT NULL,
    series_id      uuid NOT NULL,
    grain          "char" NOT NULL,
    hour           integer NOT NULL,           -- the bucket's first hour
    fold           "char" NOT NULL,
    quantity       numeric NOT NULL,
    latest_at      bigint,
    latest_id      uuid,
    PRIMARY KEY (environment_id, series_id, grain, hour)
);
CALL guard_by_environment('usage_rollup', 'SELECT');

-- UNIQUE metrics: the distinct values themselves, in the same two stages.
CREATE TABLE usage_member_live (
    environment_id integer NOT NULL,
    series_id      uuid NOT NULL,
    hour           integer NOT NULL,
    writer         smallint NOT NULL,
    member         text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, series_id, hour, writer, member)
);
CALL guard_by_environment('usage_member_live', 'SELECT');

CREATE TABLE usage_member_rollup (
    environment_id integer NOT NULL,
    series_id      uuid NOT NULL,
    grain          "char" NOT NULL,
    hour           integer NOT NULL,
    member         text COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, series_id, grain, hour, member)
);
CALL guard_by_environment('usage_member_rollup', 'SELECT');

-- Events that matched no metric, by type and UTC day.
CREATE TABLE unmatched_metric (
    environment_id integer NOT NULL,
    event_type     text COLLATE "C" NOT NULL,
    day            date NOT NULL,
    writer         smallint NOT NULL,
    events         bigint NOT NULL,
    PRIMARY KEY (environment_id, event_type, day, writer)
);
CALL guard_by_environment('unmatched_metric', 'SELECT');

-- Events whose ingest key was no customer's when their spend was rated. Readers leave out keys that are one now.
CREATE TABLE unmatched_customer (
    environment_id integer NOT NULL,
    ingest_key     text COLLATE "C" NOT NULL,
    events         bigint NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (environment_id, ingest_key)
);
CALL guard_by_environment('unmatched_customer', 'SELECT, INSERT, UPDATE');

-- One row a cycle and environment: whose usage changed. The spend stage deletes what it has rated.
CREATE TABLE usage_touch (
    environment_id integer NOT NULL,
    touch_id       bigint GENERATED ALWAYS AS IDENTITY,
    ingest_keys    text[] NOT NULL,
    events         integer[] NOT NULL,         -- events of each key
    appended_at    timestamptz NOT NULL,       -- of the oldest event in it: freshness counts from here
    PRIMARY KEY (environment_id, touch_id)
);
CALL guard_by_environment('usage_touch', 'SELECT, INSERT, DELETE');

-- Spend of the running billing period by contract and product, as last rated.
CREATE TABLE spend (
    environment_id integer NOT NULL,
    contract_id    uuid NOT NULL,
    period_start   timestamptz NOT NULL,
    product_id     uuid NOT NULL,
    customer_id    uuid NOT NULL,
    credit_type_id uuid NOT NULL,
    amount         numeric NOT NULL,
    quantity       numeric NOT NULL,
    rated_at       timestamptz NOT NULL,
    PRIMARY KEY (environment_id, contract_id, period_start, product_id)
) WITH (fillfactor = 70);
CALL guard_by_environment('spend', 'SELECT, INSERT, UPDATE, DELETE');
