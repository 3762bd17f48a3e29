-- What was let go is not brought back.
SELECT;
