#!/usr/bin/env bash
# Installs Splink and FEBRL into a private venv, generates the development registers, builds `entas` (or takes ENTAS_EXE), then measures both (scripts/bench-linkage.py).
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$HOME/.cargo/bin
tools=${ENTAS_LINKAGE_TOOLS:-../shared/linkage}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/entas/bench-linkage
# Registers that exist already: a folder with dev, x2 and x4 in it.
data=${ENTAS_LINKAGE_DATA:-$cache/data}
for file in gen_idn.py idn_names.py score.py; do
  [[ -f $tools/$file ]] || {
    echo "bench-linkage.sh: $tools/$file is missing. The generator of the development registers is not part of this repository; give its folder as ENTAS_LINKAGE_TOOLS" >&2
    exit 1
  }
done
for tool in python3 npm taskset; do
  command -v $tool >/dev/null || { echo "bench-linkage.sh: install $tool first" >&2; exit 1; }
done
[[ $(nproc --all) -ge 2 ]] || { echo 'bench-linkage.sh: needs two cores, one for the runs' >&2; exit 1; }

mkdir -p "$cache"
# Splink 4 stops with DuckDB 2 ("connection has an unfinished result").
if [[ ! -f $cache/installed ]]; then
  python3 -m venv "$cache/venv"
  "$cache/venv/bin/pip" install --quiet 'splink<5' 'duckdb<2' recordlinkage
  npm install --silent --no-audit --no-fund --prefix "$cache" idn-area-data@4.0.1
  touch "$cache/installed"
fi

# generate NAME SEED REGION PERSONS POOR
generate() {
  [[ -f $data/$1/truth/meta.json ]] && return
  echo "generating $1 ($4 persons)" >&2
  mkdir -p "$data"
  rm -rf "$data/$1.part"
  python3 "$tools/gen_idn.py" --area "$cache/node_modules/idn-area-data/data" --out "$data/$1.part" --seed "$2" --region "$3" --persons "$4" --poor "$5" >&2
  mv "$data/$1.part" "$data/$1"
}
generate dev 20240630 62.02 450000 60000
if [[ ${ENTAS_BENCH_QUICK:-0} != 1 ]]; then
  generate x2 11 62.02,62.03 900000 120000
  generate x4 12 62.01,62.02,62.03,62.06 1800000 240000
fi

# ENTAS_LINK is a whole command that links (a scratch build of the engine); ENTAS_EXE a release binary of the service.
if [[ -z ${ENTAS_LINK:-} ]]; then
  entas=${ENTAS_EXE:-}
  if [[ -z $entas ]]; then
    ${CARGO:-cargo} build --locked --release
    entas=$(${CARGO:-cargo} metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/entas
  fi
  ENTAS_LINK="$(printf %q "$entas") link"
fi
export ENTAS_LINK BENCH_TOOLS=$tools BENCH_CACHE=$cache BENCH_DATA=$data
exec python3 scripts/bench-linkage.py
