DROP TABLE jobs, idempotency_keys, reads, changes;
DROP FUNCTION refuse_change();
DROP FUNCTION feed_horizon(), feed_xid();
DROP SEQUENCE changes_xid_base;
