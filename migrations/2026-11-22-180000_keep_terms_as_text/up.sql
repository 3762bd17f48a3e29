-- Nobody but the service reads terms, and it parses them itself: the server parsed a hundred thousand of them in vain.
ALTER TABLE match_pairs ALTER COLUMN terms TYPE text;
-- References that were checked for each row of a run, as those to its statements were: neither members nor statements are ever deleted.
ALTER TABLE match_pairs DROP CONSTRAINT match_pairs_member_known;
ALTER TABLE match_results DROP CONSTRAINT match_results_stranger_member_known, DROP CONSTRAINT match_results_stranger_known;
