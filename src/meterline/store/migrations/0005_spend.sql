-- What the spend stage needs to be quick and still exact.

-- The hours of each key's events, whole hours since 1970: they tell which billing periods to rate again, at a month's end
-- above all. NULL in a touch that a change wrote, which may concern any period.
ALTER TABLE usage_touch ADD COLUMN first_hours integer[], ADD COLUMN last_hours integer[];

-- Until when a row's billing period runs, so that readers know the running one. Spend is derived: it is rated again.
TRUNCATE spend;
ALTER TABLE spend ADD COLUMN period_end timestamptz NOT NULL CHECK (period_end > period_start);
SET LOCAL ROLE meterline_pipeline;
INSERT INTO usage_touch (environment_id, ingest_keys, events, appended_at)
SELECT environment_id, keys, array_fill(0, ARRAY[cardinality(keys)]), now()
  FROM (SELECT environment_id, array_agg(DISTINCT customer_id::text) AS keys
          FROM contract WHERE archived_at IS NULL GROUP BY environment_id) touched;
RESET ROLE;

-- Which process rates an environment. It alone consumes touches, so it may remember what no touch has named since it took
-- over; `epoch` tells it that another has rated meanwhile. Claiming the row also makes raters take turns.
CREATE TABLE spend_rater (
    environment_id integer PRIMARY KEY REFERENCES environment,
    rater_id       uuid NOT NULL,
    epoch          bigint NOT NULL,
    claimed_at     timestamptz NOT NULL
) WITH (fillfactor = 20);
CALL guard_by_environment('spend_rater', 'SELECT, INSERT, UPDATE');

-- Ingest keys whose spend could not be rated, and why: they are tried again whenever they are touched, apart from others.
CREATE TABLE unrated_key (
    environment_id integer NOT NULL,
    ingest_key     text COLLATE "C" NOT NULL,
    reason         text NOT NULL,
    failures       integer NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (environment_id, ingest_key)
);
CALL guard_by_environment('unrated_key', 'SELECT, INSERT, UPDATE, DELETE');

-- Grain before series: the months of all series of a customer then lie side by side, and reading what he used since the
-- 1st does not pass over the hours and days in between. A single series is found as quickly as before.
ALTER TABLE usage_rollup DROP CONSTRAINT usage_rollup_pkey;
ALTER TABLE usage_rollup ADD PRIMARY KEY (environment_id, grain, series_id, hour);
