-- What residents show with an objection is a purpose of its own: only who sent it and who decides objections may see it. Files that
-- objections named so far come under it where they had no purpose of their own.
ALTER TABLE attachments
    DROP CONSTRAINT attachments_purpose_known,
    ADD CONSTRAINT attachments_purpose_known
        CHECK (purpose IN ('family_card', 'house_front', 'house_side', 'minutes', 'attendance', 'decree', 'objection_evidence', 'other'));
UPDATE attachments a SET purpose = 'objection_evidence'
 WHERE a.purpose = 'other' AND a.id IN (SELECT unnest(attachment_ids) FROM objections)
   AND NOT EXISTS (SELECT FROM visits v WHERE a.id = ANY (v.attachment_ids))
   AND NOT EXISTS (SELECT FROM proposals p WHERE a.id = ANY (p.attachment_ids))
   AND NOT EXISTS (SELECT FROM village_results r WHERE a.id IN (r.minutes_id, r.attendance_id))
   AND NOT EXISTS (SELECT FROM target_lists l WHERE a.id = l.decree_id);
