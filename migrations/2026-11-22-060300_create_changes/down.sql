DROP TABLE jobs, idempotency_keys, reads, changes;
DROP FUNCTION refuse_change();
