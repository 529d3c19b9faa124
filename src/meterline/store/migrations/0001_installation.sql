-- Roles, environments and tokens. Two roles see customers' rows, and neither owns a table nor bypasses row-level security:
--   meterline_api       one environment a transaction, chosen by set_config('meterline.environment_id', ..., true)
--   meterline_pipeline  every environment: the log, the workers and the look-up of tokens
DO $$
DECLARE
    needed text;
BEGIN
    FOREACH needed IN ARRAY ARRAY['meterline_api', 'meterline_pipeline'] LOOP
        -- Roles belong to the server: another database of it may have made them, even just now.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = needed) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', needed);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        BEGIN
            EXECUTE format('GRANT %I TO %I', needed, current_user);
        EXCEPTION WHEN insufficient_privilege THEN
            -- Where an administrator made the role and us a member of it, we may not grant it, and need not.
            IF NOT pg_has_role(current_user, needed, 'MEMBER') THEN
                RAISE;
            END IF;
        END;
    END LOOP;
END $$;

-- The environment of this transaction; NULL (so: no rows) where none was chosen.
CREATE FUNCTION current_environment() RETURNS integer LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('meterline.environment_id', true), '')::integer $$;

-- Puts a table under forced row-level security. Every table with an environment_id goes through here.
CREATE PROCEDURE guard_by_environment(guarded regclass, api_rights text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
    EXECUTE format('CREATE POLICY one_environment ON %s TO meterline_api
                    USING (environment_id = current_environment())
                    WITH CHECK (environment_id = current_environment())', guarded);
    EXECUTE format('CREATE POLICY every_environment ON %s TO meterline_pipeline USING (true) WITH CHECK (true)', guarded);
    EXECUTE format('GRANT %s ON %s TO meterline_api', api_rights, guarded);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO meterline_pipeline', guarded);
END $$;

CREATE TABLE environment (
    environment_id integer GENERATED ALWAYS AS IDENTITY (START WITH 2) PRIMARY KEY,  -- 1 is `production`
    name           text COLLATE "C" NOT NULL UNIQUE,
    kind           text COLLATE "C" NOT NULL CHECK (kind IN ('production', 'sandbox')),
    clock          timestamptz CHECK (clock IS NULL OR kind = 'sandbox'),  -- NULL: the wall clock
    created_at     timestamptz NOT NULL DEFAULT now()
);
CALL guard_by_environment('environment', 'SELECT, UPDATE');

CREATE TABLE api_token (
    environment_id integer NOT NULL REFERENCES environment,
    token_id       uuid NOT NULL DEFAULT gen_random_uuid(),
    name           text NOT NULL,
    scope          text COLLATE "C" NOT NULL CHECK (scope IN ('ingest', 'read', 'full')),
    token_hash     bytea NOT NULL UNIQUE,  -- SHA-256; the token itself is shown once and never stored
    created_at     timestamptz NOT NULL DEFAULT now(),
    revoked_at     timestamptz,
    PRIMARY KEY (environment_id, token_id)
);
CALL guard_by_environment('api_token', 'SELECT, INSERT, UPDATE');
