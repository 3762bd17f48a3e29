#!/usr/bin/env bash
# Promises everything that decides whether a change may land: each check with its verdict and its seconds, and no server left behind.
#
# Tests use ENTAS_TEST_DATABASE_URL when it is set (a role that may CREATE DATABASE) and else a private PostgreSQL; never DATABASE_URL,
# which may hold real data. All steps run even when one fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
unset DATABASE_URL
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
scripts/setup.sh build || exit 1
PATH=$PATH:$HOME/.cargo/bin
cargo=${CARGO:-cargo}

started='' log=$(mktemp)
finish() {
  rm -f "$log"
  [[ -z $started ]] || scripts/pg.sh stop test
}
trap finish EXIT
trap 'exit 130' INT TERM

passed=0 failed=0 table=''
step() {
  local name=$1 began=$SECONDS verdict; shift
  printf '\n== %s\n' "$name"
  if "$@"; then verdict=ok; passed=$((passed + 1)); else verdict=FAILED; failed=$((failed + 1)); fi
  table+=$(printf '%-28s %-7s %5d s' "$name" "$verdict" $((SECONDS - began)))$'\n'
}

# With the bucket's code, which tests do not build.
lint() { $cargo clippy --locked --all-targets --features s3 -- -D warnings; }
deny() { local bin; bin=$(scripts/setup.sh deny) && "$bin" check --hide-inclusion-graph licenses bans sources; }
database() {
  [[ -z ${ENTAS_TEST_DATABASE_URL:-} ]] || return 0
  if ! scripts/pg.sh url test >/dev/null 2>&1; then started=yes; scripts/pg.sh start test || return; fi
  ENTAS_TEST_DATABASE_URL=$(scripts/pg.sh url test) || return
  export ENTAS_TEST_DATABASE_URL
}
tests() {
  # The output goes through a file, since the result's line is shown again at the end.
  if $cargo nextest --version >/dev/null 2>&1; then
    $cargo nextest run --locked --no-fail-fast 2>&1 | tee "$log"
  else
    $cargo test --locked --no-fail-fast 2>&1 | tee "$log"
  fi
}

step 'format' "$cargo" fmt --check
step 'clippy' lint
step 'licences, bans, sources' deny
step 'database' database
step 'tests' tests
step 'contract' scripts/contract.sh
if docker compose version >/dev/null 2>&1; then
  # Any value does: it is the file that is checked.
  step 'docker-compose.yml' env ENTAS_DB_PASSWORD=x ENTAS_KEYS_DIR=/x docker compose --env-file /dev/null config -q
fi

printf '\n%s' "$table"
grep -E '^ *Summary \[|^test result:' "$log" || echo '(no test result)'
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
