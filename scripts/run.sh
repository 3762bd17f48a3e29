#!/usr/bin/env bash
# Promises a running Entas with a small invented regency in it, on a machine that had nothing but Rust, by one command.
#
# Settings come from the environment, then from .env, then from the defaults here; .env.sample explains each. ENTAS_PROFILE=dev builds faster and runs slower.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
say() { echo "run.sh: $*" >&2; }

if [[ -f .env ]]; then
  while IFS='=' read -r key value; do
    if [[ $key =~ ^[A-Z][A-Z0-9_]*$ && -z ${!key+set} ]]; then export "$key=$value"; fi
  done <.env
fi

scripts/setup.sh build
PATH=$PATH:$HOME/.cargo/bin

private=''
if [[ -z ${DATABASE_URL:-} ]]; then
  scripts/pg.sh start run
  DATABASE_URL=$(scripts/pg.sh url run)
  private=yes
fi
export DATABASE_URL
export ENTAS_BIND=${ENTAS_BIND:-127.0.0.1:8080}
export ENTAS_DEMO=${ENTAS_DEMO:-true}
export ENTAS_KEY_FILE=${ENTAS_KEY_FILE:-$root/.entas/keys}
export ENTAS_ATTACHMENT_STORE=${ENTAS_ATTACHMENT_STORE:-$root/.entas/attachments}
export ENTAS_SPOOL_DIR=${ENTAS_SPOOL_DIR:-$root/.entas/spool}

if [[ ${ENTAS_PROFILE:-release} == dev ]]; then
  profile=debug
  ${CARGO:-cargo} build --locked
else
  profile=release
  ${CARGO:-cargo} build --locked --release
fi
entas=$(${CARGO:-cargo} metadata --locked --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/$profile/entas

umask 077
mkdir -p "$ENTAS_SPOOL_DIR"
if [[ ! -e $ENTAS_KEY_FILE ]]; then
  mkdir -p "$(dirname "$ENTAS_KEY_FILE")"
  "$entas" keys-new "$ENTAS_KEY_FILE"
  say "new keys in $ENTAS_KEY_FILE; without this file the stored NIK and KK numbers cannot be read"
fi

if ! "$entas" migrate; then
  [[ -z $private ]] || say "if these are not the keys of the private database: put the right file at $ENTAS_KEY_FILE or, where it is gone, delete the data with: scripts/pg.sh drop run"
  exit 1
fi
if [[ $ENTAS_DEMO == true ]]; then "$entas" demo; fi

say 'Ctrl-C stops the service'
[[ -z $private ]] || say 'the private database keeps running after that; stop it with: make db-stop'
exec "$entas" serve
