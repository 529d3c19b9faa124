-- Thresholds on what customers spend, use and have left. Where a customer stands is evaluated when it is asked for, and
-- stored nowhere.
CREATE TABLE alert (
    environment_id integer NOT NULL REFERENCES environment,
    alert_id       uuid NOT NULL,
    customer_id    uuid,                   -- NULL: every customer, those to come too
    uniqueness_key text COLLATE "C",
    terms          jsonb NOT NULL,         -- the core's Alert (store/codec.py)
    created_at     timestamptz NOT NULL,
    created_by     text NOT NULL,
    archived_at    timestamptz,
    PRIMARY KEY (environment_id, alert_id),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customer
);
CREATE INDEX alert_customer ON alert (environment_id, customer_id, created_at, alert_id);
CREATE UNIQUE INDEX alert_uniqueness ON alert (environment_id, uniqueness_key) WHERE uniqueness_key IS NOT NULL;
CALL guard_by_environment('alert', 'SELECT, INSERT, UPDATE');
