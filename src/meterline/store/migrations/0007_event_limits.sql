-- What one event of a SUM metric counts at least and at most, in size; NULL: as it is.
ALTER TABLE billable_metric
    ADD COLUMN event_minimum numeric CHECK (event_minimum >= 0),
    ADD COLUMN event_maximum numeric CHECK (event_maximum >= 0);
