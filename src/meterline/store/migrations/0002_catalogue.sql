-- Catalogue and contracts: what the API writes. Decimals inside jsonb are strings, so that no reader meets a float.
CREATE TABLE credit_type (
    environment_id integer NOT NULL REFERENCES environment,
    credit_type_id uuid NOT NULL,
    name           text NOT NULL,
    created_at     timestamptz NOT NULL,
    archived_at    timestamptz,
    PRIMARY KEY (environment_id, credit_type_id),
    UNIQUE (environment_id, name)
);
CALL guard_by_environment('credit_type', 'SELECT, INSERT, UPDATE');

CREATE TABLE billable_metric (
    environment_id    integer NOT NULL REFERENCES environment,
    metric_id         uuid NOT NULL,
    name              text NOT NULL,
    aggregation_type  text COLLATE "C" NOT NULL CHECK (aggregation_type IN ('COUNT', 'SUM', 'MAX', 'LATEST', 'UNIQUE')),
    aggregation_key   text,
    event_type_filter jsonb,                        -- {"in_values": [...], "not_in_values": [...]}
    property_filters  jsonb NOT NULL DEFAULT '[]',  -- [{"name", "exists", "in_values", "not_in_values"}]
    group_keys        jsonb NOT NULL DEFAULT '[]',  -- [["region"], ["region", "model"]]
    custom_fields     jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL,
    archived_at       timestamptz,
    PRIMARY KEY (environment_id, metric_id)
);
CALL guard_by_environment('billable_metric', 'SELECT, INSERT, UPDATE');

CREATE TABLE product (
    environment_id integer NOT NULL REFERENCES environment,
    product_id     uuid NOT NULL,
    type           text COLLATE "C" NOT NULL CHECK (type IN ('USAGE', 'SUBSCRIPTION', 'COMPOSITE', 'FIXED', 'PRO_SERVICE')),
    custom_fields  jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    created_by     text NOT NULL,
    archived_at    timestamptz,
    PRIMARY KEY (environment_id, product_id)
);
CALL guard_by_environment('product', 'SELECT, INSERT, UPDATE');

-- Products are versioned in time: version 0 is `initial`, the last one that has started is `current`.
CREATE TABLE product_version (
    environment_id integer NOT NULL,
    product_id     uuid NOT NULL,
    version        integer NOT NULL,
    starting_at    timestamptz,            -- NULL for version 0: since ever
    created_at     timestamptz NOT NULL,
    created_by     text NOT NULL,
    fields         jsonb NOT NULL,         -- version 0: all fields; later ones: the fields that change
    PRIMARY KEY (environment_id, product_id, version),
    FOREIGN KEY (environment_id, product_id) REFERENCES product
);
CALL guard_by_environment('product_version', 'SELECT, INSERT');

CREATE TABLE rate_card (
    environment_id          integer NOT NULL REFERENCES environment,
    rate_card_id            uuid NOT NULL,
    name                    text NOT NULL,
    description             text,
    fiat_credit_type_id     uuid NOT NULL,
    credit_type_conversions jsonb NOT NULL DEFAULT '[]',
    custom_fields           jsonb NOT NULL DEFAULT '{}',
    product_order           jsonb NOT NULL DEFAULT '[]',
    created_at              timestamptz NOT NULL,
    created_by              text NOT NULL,
    archived_at             timestamptz,
    PRIMARY KEY (environment_id, rate_card_id)
);
CALL guard_by_environment('rate_card', 'SELECT, INSERT, UPDATE');

-- An alias belongs to one card at a time; assigning it elsewhere ends the older row.
CREATE TABLE rate_card_alias (
    environment_id integer NOT NULL,
    alias          text COLLATE "C" NOT NULL,
    alias_row      bigint GENERATED ALWAYS AS IDENTITY,
    rate_card_id   uuid NOT NULL,
    starting_at    timestamptz,
    ending_before  timestamptz,
    PRIMARY KEY (environment_id, alias, alias_row),
    FOREIGN KEY (environment_id, rate_card_id) REFERENCES rate_card
);
CREATE INDEX rate_card_alias_card ON rate_card_alias (environment_id, rate_card_id);
CALL guard_by_environment('rate_card_alias', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE rate (
    environment_id       integer NOT NULL,
    rate_card_id         uuid NOT NULL,
    rate_row             bigint GENERATED ALWAYS AS IDENTITY,  -- order of arrival: the last added wins
    product_id           uuid NOT NULL,
    pricing_group_values jsonb NOT NULL DEFAULT '{}',
    billing_frequency    text COLLATE "C",
    entitled             boolean NOT NULL,
    starting_at          timestamptz NOT NULL,
    ending_before        timestamptz,
    credit_type_id       uuid NOT NULL,
    terms                jsonb NOT NULL,  -- {"rate_type", "price", "tiers": [{"price", "size"}], ...}
    commit_terms         jsonb,
    created_at           timestamptz NOT NULL,
    PRIMARY KEY (environment_id, rate_card_id, rate_row),
    FOREIGN KEY (environment_id, rate_card_id) REFERENCES rate_card,
    FOREIGN KEY (environment_id, product_id) REFERENCES product
);
CALL guard_by_environment('rate', 'SELECT, INSERT');

CREATE TABLE customer (
    environment_id integer NOT NULL REFERENCES environment,
    customer_id    uuid NOT NULL,
    name           text NOT NULL,
    custom_fields  jsonb NOT NULL DEFAULT '{}',
    config         jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    archived_at    timestamptz,
    PRIMARY KEY (environment_id, customer_id)
);
CREATE INDEX customer_by_age ON customer (environment_id, created_at, customer_id);
CALL guard_by_environment('customer', 'SELECT, INSERT, UPDATE');

CREATE TABLE customer_ingest_alias (
    environment_id integer NOT NULL,
    alias          text COLLATE "C" NOT NULL,
    customer_id    uuid NOT NULL,
    position       integer NOT NULL,
    PRIMARY KEY (environment_id, alias),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customer
);
CREATE INDEX customer_ingest_alias_customer ON customer_ingest_alias (environment_id, customer_id);
CALL guard_by_environment('customer_ingest_alias', 'SELECT, INSERT, UPDATE, DELETE');

-- `terms` keeps the contract's parts as they came (validated), so that parts not rated yet are not lost.
CREATE TABLE contract (
    environment_id integer NOT NULL,
    contract_id    uuid NOT NULL,
    customer_id    uuid NOT NULL,
    name           text,
    rate_card_id   uuid,
    starting_at    timestamptz NOT NULL,
    ending_before  timestamptz CHECK (ending_before > starting_at),
    uniqueness_key text COLLATE "C",
    terms          jsonb NOT NULL DEFAULT '{}',
    custom_fields  jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    created_by     text NOT NULL,
    archived_at    timestamptz,
    PRIMARY KEY (environment_id, contract_id),
    UNIQUE (environment_id, uniqueness_key),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customer,
    FOREIGN KEY (environment_id, rate_card_id) REFERENCES rate_card
);
CREATE INDEX contract_customer ON contract (environment_id, customer_id, starting_at);
CALL guard_by_environment('contract', 'SELECT, INSERT, UPDATE');

-- Replies kept for the Idempotency-Key header, 24 hours at least.
CREATE TABLE idempotent_reply (
    environment_id integer NOT NULL REFERENCES environment,
    idempotency_key text COLLATE "C" NOT NULL,
    request_hash   bytea NOT NULL,
    status         integer,              -- NULL while the first request is under way
    body           bytea,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment_id, idempotency_key)
);
CREATE INDEX idempotent_reply_age ON idempotent_reply (environment_id, created_at);
CALL guard_by_environment('idempotent_reply', 'SELECT, INSERT, UPDATE, DELETE');
