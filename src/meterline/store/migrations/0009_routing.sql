-- Over how many partitions events are routed: gateways follow it, workers check it in every commit, and growing the log
-- changes it while no commit is under way. `target` and `step` are of a growth that is not finished.
CREATE TABLE log_routing (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    partitions integer NOT NULL CHECK (partitions > 0),
    log        text NOT NULL,        -- which one it is: another in its place would begin at offset 0 again
    target     integer CHECK (target > partitions OR step = 'drain'),
    step       text COLLATE "C" CHECK (step IN ('create', 'drain')),
    ends       jsonb,                -- partition -> offset: once everything before is metered, growth is done
    CHECK ((target IS NULL) = (step IS NULL))
);
GRANT SELECT, INSERT, UPDATE ON log_routing TO meterline_pipeline;
GRANT SELECT ON log_routing TO meterline_api;
INSERT INTO log_routing (partitions, log) SELECT count(*), 'postgresql' FROM log_partition HAVING count(*) > 0;
