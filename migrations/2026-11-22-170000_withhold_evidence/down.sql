UPDATE attachments SET purpose = 'other' WHERE purpose = 'objection_evidence';
ALTER TABLE attachments
    DROP CONSTRAINT attachments_purpose_known,
    ADD CONSTRAINT attachments_purpose_known
        CHECK (purpose IN ('family_card', 'house_front', 'house_side', 'minutes', 'attendance', 'decree', 'other'));
