-- Changes and reads as one list for auditors; both are keyed by time-ordered ids, so a page is a merge of two index scans.
DROP VIEW IF EXISTS audit_events;
CREATE VIEW audit_events AS
SELECT id, at, actor_id, region_code, 'change' AS kind, resource, resource_id, action, fields, NULL::integer AS rows, reason, request_id FROM changes
UNION ALL
SELECT id, at, actor_id, region_code, 'read' AS kind, resource, resource_id, action, NULL::jsonb AS fields, rows, reason, request_id FROM reads;
