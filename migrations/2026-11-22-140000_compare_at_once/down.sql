DROP TABLE possible_duplicates;
DROP INDEX members_birth_idx;
DROP TRIGGER families_are_compared_again ON beneficiaries;
DROP TRIGGER members_are_compared_again ON members;
DROP TRIGGER members_are_compared ON members;
DROP FUNCTION queue_moved_family();
DROP FUNCTION queue_changed_member();
DROP FUNCTION queue_new_members();
DROP TABLE match_queue;
