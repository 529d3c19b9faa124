-- A customer's books: grants, their ledger, the invoices that are final, the history of contracts, and what falls due when.
-- Ids of whatever a step makes derive from its cause, so that doing a step twice stores it once.

-- How long after its period a usage invoice stays a draft.
ALTER TABLE environment ADD COLUMN invoice_grace_hours integer NOT NULL DEFAULT 24 CHECK (invoice_grace_hours >= 0);

-- A commit or a credit. `terms`: the core's Grant (store/codec.py); `shown`: what is only shown again.
CREATE TABLE account_grant (
    environment_id integer NOT NULL,
    grant_id       uuid NOT NULL,
    customer_id    uuid NOT NULL,
    contract_id    uuid,                   -- NULL: the customer's own
    kind           text COLLATE "C" NOT NULL CHECK (kind IN ('PREPAID', 'POSTPAID', 'CREDIT')),
    uniqueness_key text COLLATE "C",
    terms          jsonb NOT NULL,
    shown          jsonb NOT NULL DEFAULT '{}',
    custom_fields  jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    created_by     text NOT NULL,
    archived_at    timestamptz,
    PRIMARY KEY (environment_id, grant_id),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customer,
    FOREIGN KEY (environment_id, contract_id) REFERENCES contract
);
CREATE INDEX account_grant_customer ON account_grant (environment_id, customer_id, created_at, grant_id);
CREATE INDEX account_grant_contract ON account_grant (environment_id, contract_id) WHERE contract_id IS NOT NULL;
-- Commits have their keys, and credits theirs.
CREATE UNIQUE INDEX account_grant_uniqueness ON account_grant (environment_id, (kind = 'CREDIT'), uniqueness_key)
    WHERE uniqueness_key IS NOT NULL;
CALL guard_by_environment('account_grant', 'SELECT, INSERT, UPDATE');

-- What happened to grants. Appended, never changed; `position` counts a customer's entries from 1, in order of posting.
CREATE TABLE ledger_entry (
    environment_id  integer NOT NULL,
    customer_id     uuid NOT NULL,
    position        integer NOT NULL CHECK (position > 0),
    entry_id        uuid NOT NULL,
    grant_id        uuid NOT NULL,
    segment_id      uuid,
    type            text COLLATE "C" NOT NULL,
    amount          numeric NOT NULL,
    effective_at    timestamptz NOT NULL,   -- the entry's timestamp: when it counts
    invoice_id      uuid,
    contract_id     uuid,
    new_contract_id uuid,
    reason          text,
    recorded_at     timestamptz NOT NULL DEFAULT now(),  -- by the wall clock, also in a sandbox
    PRIMARY KEY (environment_id, customer_id, position),
    UNIQUE (environment_id, entry_id),
    FOREIGN KEY (environment_id, grant_id) REFERENCES account_grant
);
CALL guard_by_environment('ledger_entry', 'SELECT, INSERT');
REVOKE UPDATE, DELETE ON ledger_entry FROM meterline_pipeline;
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'rows of % are never changed: append a correction', TG_TABLE_NAME; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Invoices that are final or void, whole. Drafts are computed when asked for, and stored nowhere.
CREATE TABLE invoice (
    environment_id   integer NOT NULL,
    invoice_id       uuid NOT NULL,
    customer_id      uuid NOT NULL,
    contract_id      uuid,                 -- NULL: of a grant of the customer's own
    type             text COLLATE "C" NOT NULL,
    status           text COLLATE "C" NOT NULL CHECK (status IN ('FINALIZED', 'VOID')),
    period_start     timestamptz,
    period_end       timestamptz,
    issued_at        timestamptz NOT NULL,
    credit_type_id   uuid NOT NULL,
    total            numeric NOT NULL,
    document         jsonb NOT NULL,       -- the core's Invoice (store/codec.py), of its lines those that bill terms
    line_items       jsonb NOT NULL,       -- all of its lines: apart, because books are settled without most of them
    voided_at        timestamptz,
    regenerated_from uuid,
    PRIMARY KEY (environment_id, invoice_id),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customer
);
CREATE INDEX invoice_customer ON invoice (environment_id, customer_id, issued_at, invoice_id);
CALL guard_by_environment('invoice', 'SELECT, INSERT, UPDATE');

-- How contracts were edited: each edit as it is shown in the history.
CREATE TABLE contract_edit (
    environment_id integer NOT NULL,
    edit_id        uuid NOT NULL,
    contract_id    uuid NOT NULL,
    customer_id    uuid NOT NULL,
    position       bigint GENERATED ALWAYS AS IDENTITY,  -- order of arrival
    edited_at      timestamptz NOT NULL,
    edited_by      text NOT NULL,
    uniqueness_key text COLLATE "C",
    edit           jsonb NOT NULL,
    PRIMARY KEY (environment_id, edit_id),
    UNIQUE (environment_id, uniqueness_key),
    FOREIGN KEY (environment_id, contract_id) REFERENCES contract
);
CREATE INDEX contract_edit_contract ON contract_edit (environment_id, contract_id, position);
CALL guard_by_environment('contract_edit', 'SELECT, INSERT');

-- When a customer's next step falls due by his environment's clock (NULL: nothing does), and how the last try went.
CREATE TABLE books_due (
    environment_id integer NOT NULL,
    customer_id    uuid NOT NULL,
    due_at         timestamptz,
    failures       integer NOT NULL DEFAULT 0,
    retry_at       timestamptz,            -- by the wall clock; NULL unless the last try failed
    reason         text,
    PRIMARY KEY (environment_id, customer_id),
    FOREIGN KEY (environment_id, customer_id) REFERENCES customer
) WITH (fillfactor = 70);
CREATE INDEX books_due_next ON books_due (environment_id, due_at) WHERE due_at IS NOT NULL;
CALL guard_by_environment('books_due', 'SELECT, INSERT, UPDATE');

-- Customers with contracts made before there were books: the scheduler opens them.
SET LOCAL ROLE meterline_pipeline;
INSERT INTO books_due (environment_id, customer_id, due_at)
SELECT DISTINCT environment_id, customer_id, 'epoch'::timestamptz FROM contract WHERE archived_at IS NULL;
RESET ROLE;
