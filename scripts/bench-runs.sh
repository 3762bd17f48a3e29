#!/usr/bin/env bash
# Prepares a durable private database and a release build (or takes ENTAS_EXE), loads the two development registers as releases and measures matching
# runs of the service beside `entas link` on the same files (scripts/bench-runs.py). The registers are those of `make bench-linkage`.
# ENTAS_BENCH_KEEP=1 keeps the loaded database for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$HOME/.cargo/bin
data=${ENTAS_LINKAGE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/entas/bench-linkage/data}
[[ -f $data/dev/p3ke.csv && -f $data/dev/registry.csv ]] || {
  echo "bench-runs.sh: $data/dev has no registers; make them with 'make bench-linkage', or give a folder with dev/ in it as ENTAS_LINKAGE_DATA" >&2
  exit 1
}
entas=${ENTAS_EXE:-}
if [[ -z $entas ]]; then
  ${CARGO:-cargo} build --locked --release
  entas=$(${CARGO:-cargo} metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/entas
fi
keep=${ENTAS_BENCH_KEEP:-}
[[ -n $keep ]] || scripts/pg.sh drop bench-runs >/dev/null 2>&1 || true
scripts/pg.sh start bench-runs
folder=$(mktemp -d)
[[ -z $keep ]] || folder=${XDG_CACHE_HOME:-$HOME/.cache}/entas/bench-runs
mkdir -p "$folder"
service=''
finish() {
  [[ -z $service ]] || kill "$service" 2>/dev/null || true
  [[ -z $service ]] || wait "$service" 2>/dev/null || true
  if [[ -z $keep ]]; then
    scripts/pg.sh drop bench-runs
    rm -rf "$folder"
  else
    scripts/pg.sh stop bench-runs
  fi
}
trap finish EXIT
DATABASE_URL=$(scripts/pg.sh url bench-runs)
port=$((20000 + RANDOM % 10000))
export DATABASE_URL ENTAS_RATE_LIMIT=0 ENTAS_BIND=127.0.0.1:$port ENTAS_UPLOAD_LIMIT_MB=400 ENTAS_PASSWORD='a long password for measuring'
export ENTAS_KEY_FILE=$folder/keys ENTAS_SPOOL_DIR=$folder/spool ENTAS_LOG_FILTER=warn ENTAS_PUBLIC_URL=http://127.0.0.1:$port
[[ -f $folder/keys ]] || "$entas" keys-new "$ENTAS_KEY_FILE"
"$entas" migrate
"$entas" user-add --name measure --display-name Measure --region 62.02 --role coordinator >/dev/null 2>&1 || [[ -n $keep ]]
"$entas" serve &
service=$!
for _ in $(seq 100); do
  "$entas" healthcheck 2>/dev/null && break
  sleep 0.1
done
BENCH_BASE=http://127.0.0.1:$port BENCH_PID=$service BENCH_EXE=$entas BENCH_REGISTERS=$data/dev BENCH_FOLDER=$folder python3 scripts/bench-runs.py
