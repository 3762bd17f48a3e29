DROP TABLE welfare_ranks, source_people, source_families, release_rejects, releases, datasets;
