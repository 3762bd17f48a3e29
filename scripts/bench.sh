#!/usr/bin/env bash
# Prepares a durable private database, the full demo regency and a release build of the service (or ENTAS_EXE), then measures (scripts/bench.py, scripts/bench-verification.py).
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh build
PATH=$PATH:$HOME/.cargo/bin
if ! command -v wrk >/dev/null; then
  [[ $(id -u) == 0 ]] || { echo 'bench.sh: install wrk (Debian package) first' >&2; exit 1; }
  apt-get update -qq && apt-get install -y -qq wrk >/dev/null
fi
BENCH_PGBENCH=$(command -v pgbench || find /usr/lib/postgresql -name pgbench -type f 2>/dev/null | sort -V | tail -n 1)
[[ -n $BENCH_PGBENCH ]] || { echo 'bench.sh: pgbench is missing (Debian package postgresql)' >&2; exit 1; }
entas=${ENTAS_EXE:-}
if [[ -z $entas ]]; then
  ${CARGO:-cargo} build --locked --release
  entas=$(${CARGO:-cargo} metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/entas
fi

scripts/pg.sh drop bench >/dev/null 2>&1 || true
scripts/pg.sh start bench
folder=$(mktemp -d)
service=''
finish() {
  [[ -z $service ]] || kill "$service" 2>/dev/null || true
  scripts/pg.sh stop bench
  rm -rf "$folder"
}
trap finish EXIT
DATABASE_URL=$(scripts/pg.sh url bench)
port=$((20000 + RANDOM % 10000))
export DATABASE_URL BENCH_PGBENCH ENTAS_DEMO=true ENTAS_RATE_LIMIT=0 ENTAS_BIND=127.0.0.1:$port
export ENTAS_KEY_FILE=$folder/keys ENTAS_SPOOL_DIR=$folder/spool ENTAS_ATTACHMENT_STORE=$folder/attachments ENTAS_LOG_FILTER=warn ENTAS_PUBLIC_URL=http://127.0.0.1:$port
"$entas" keys-new "$ENTAS_KEY_FILE"
"$entas" migrate
"$entas" demo
psql "$DATABASE_URL" -Xqc 'SET client_min_messages = error' -c 'VACUUM ANALYZE'
"$entas" serve &
service=$!
for _ in $(seq 100); do
  "$entas" healthcheck 2>/dev/null && break
  sleep 0.1
done
export BENCH_BASE=http://127.0.0.1:$port BENCH_PID=$service
# ENTAS_BENCH=verification measures that part alone.
[[ ${ENTAS_BENCH:-} == verification ]] || python3 scripts/bench.py
python3 scripts/bench-verification.py
