#!/usr/bin/env bash
# Builds the release program (or takes ENTAS_EXE) and has it read the largest files; fails when it needs more memory than promised.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$HOME/.cargo/bin
program=${ENTAS_EXE:-}
if [[ -z $program ]]; then
  ${CARGO:-cargo} build --locked --release
  program=$(${CARGO:-cargo} metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/entas
fi
scripts/pg.sh start test
trap 'scripts/pg.sh stop test' EXIT
ENTAS_TEST_DATABASE_URL=$(scripts/pg.sh url test)
export ENTAS_TEST_DATABASE_URL ENTAS_TEST_PROGRAM=$program
${CARGO:-cargo} nextest run --locked --run-ignored only -E 'test(largest_files)' --no-capture
