DROP TABLE signing_keys, refresh_tokens, sessions, assignments, actors, agencies;
