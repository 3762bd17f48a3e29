DROP INDEX match_pairs_member_idx;
