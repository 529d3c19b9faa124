-- Custom fields. Their values are in `custom_fields` of what bears them; here are the keys declared for them, and the
-- values of those keys that allow each value once.
CREATE TABLE custom_field_key (
    environment_id     integer NOT NULL REFERENCES environment,
    bearer             text COLLATE "C" NOT NULL,  -- what has the key: `product` also where declared for contract_product
    key                text COLLATE "C" NOT NULL,
    entity             text COLLATE "C" NOT NULL,  -- as declared
    enforce_uniqueness boolean NOT NULL,
    created_at         timestamptz NOT NULL,
    PRIMARY KEY (environment_id, bearer, key)
);
CALL guard_by_environment('custom_field_key', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE custom_field_unique_value (
    environment_id integer NOT NULL,
    bearer         text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL,
    value          text COLLATE "C" NOT NULL,
    bearer_id      uuid NOT NULL,
    PRIMARY KEY (environment_id, bearer, key, value),
    UNIQUE (environment_id, bearer, bearer_id, key),
    FOREIGN KEY (environment_id, bearer, key) REFERENCES custom_field_key ON DELETE CASCADE
);
CALL guard_by_environment('custom_field_unique_value', 'SELECT, INSERT, DELETE');
