#!/usr/bin/env bash
# Promises a private PostgreSQL (15 or newer) for this checkout, beside and apart from any other on the machine.
#
#   scripts/pg.sh start NAME   start it (the first time: create it) and wait until it answers
#   scripts/pg.sh stop  NAME   stop it; the data stay
#   scripts/pg.sh url   NAME   print its address, or fail when it does not run
#   scripts/pg.sh drop  NAME   stop it and delete the data
#
# NAME `test` trades durability for speed; every other name (make run uses `run`) is durable. Who gets in: over TCP only
# role `entas` with a random password that only the caller can read; over the socket only the user the server runs as.
# Data live in /var/tmp/entas-UID/NAME-CHECKOUT, or below ENTAS_PG_DIR.
set -euo pipefail
umask 077
unset "${!PG@}" # PGHOST and its kin would send us to somebody else's server

say() { echo "pg.sh: $*" >&2; }
die() { say "$*"; exit 1; }

[[ $# -eq 2 && $1 =~ ^(start|stop|url|drop)$ && $2 =~ ^[a-z][a-z0-9-]{0,20}$ ]] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
command=$1 name=$2
root=$(cd "$(dirname "$0")/.." && pwd -P)
base=${ENTAS_PG_DIR:-/var/tmp/entas-$(id -u)}
dir=$base/$name-$(printf %s "$root" | cksum | cut -d' ' -f1) # the caller's: password, port, lock
srv=$dir/server                                              # the server user's: data, log, socket
cd / # the server user may not be able to enter the caller's folder

# The server refuses to run as root.
user=$(id -un)
as() { "$@"; }
if [[ $(id -u) -eq 0 ]]; then
  user=$(id -un postgres 2>/dev/null || echo nobody)
  as() { setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"; }
fi

# The newest server at hand, or the one that kept data were made with.
find_server() {
  local wanted candidate version
  wanted=$(cat "$srv/data/PG_VERSION" 2>/dev/null || true) bin='' newest=14
  for candidate in "$(readlink -f "$(command -v initdb || true)")" /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /opt/homebrew/opt/postgresql@*/bin/initdb; do
    [[ -x $candidate && -x ${candidate%/*}/pg_isready ]] || continue
    version=$("$candidate" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    if [[ -n $wanted ]]; then [[ $version == "$wanted" ]] || continue; fi
    if (( version > newest )); then newest=$version bin=${candidate%/*}; fi
  done
  [[ -n $bin ]]
}

install_server() {
  local hint='on Debian 12 or newer: apt-get install postgresql; elsewhere put its bin folder on PATH'
  [[ ! -e $srv/data/PG_VERSION ]] || die "the data in $srv/data need PostgreSQL $(cat "$srv/data/PG_VERSION"), which is not installed; install it, or delete the data with: $0 drop $name"
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then die "PostgreSQL 15 or newer is needed and none was found; $hint"; fi
  say 'installing PostgreSQL (as root, by apt-get); no system-wide server will be started'
  if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
    install -d -m 755 /etc/postgresql-common
    (umask 022; echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf)
  fi
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql; } >&2 </dev/null \
    || die "apt-get could not install PostgreSQL; $hint"
  find_server || die "the packages installed no PostgreSQL 15 or newer; $hint"
  user=$(id -un postgres 2>/dev/null || echo nobody)
}

port() { cat "$dir/port" 2>/dev/null || true; }
running() { local rc=0; [[ -n $(port) ]] && "$bin/pg_isready" -q -h "$srv" -p "$(port)" || rc=$?; ((rc < 2)) && [[ -n $(port) ]]; }
url() { echo "postgres://entas:$(cat "$dir/password")@127.0.0.1:$(port)/entas"; }
new_port() { echo $((20000 + (RANDOM * 32768 + RANDOM) % 12000)) >"$dir/port"; } # below the kernel's own range

create() {
  [[ -n ${ENTAS_PG_DIR:-} ]] || [[ ! -e $base && ! -L $base ]] || [[ -O $base && ! -L $base ]] || die "$base belongs to somebody else; set ENTAS_PG_DIR"
  ((${#srv} < 85)) || die "$srv is too long for a socket's path; set ENTAS_PG_DIR to a shorter one"
  mkdir -p "$srv" && chmod 711 "$base" "$dir" && chmod 700 "$srv"
  [[ $(id -u) -ne 0 ]] || chown "$user:" "$srv"
  as test -w "$srv" || die "user $user cannot reach $srv; set ENTAS_PG_DIR to a folder below one that everybody may enter"
  [[ -s $dir/password ]] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$dir/password"
  [[ -s $dir/port ]] || new_port
}

init() {
  say "creating database cluster '$name' in $dir"
  as rm -rf "$srv/new"
  as "$bin/initdb" -D "$srv/new" -U postgres --locale=C.UTF-8 --lc-messages=C --encoding=UTF8 --auth-local=peer --auth-host=scram-sha-256 \
    >"$dir/initdb.log" 2>&1 || { tail -n 20 "$dir/initdb.log" >&2; die 'initdb failed, see above'; }
  printf 'local all all peer map=own\nhost all entas 127.0.0.1/32 scram-sha-256\n' | as tee "$srv/new/pg_hba.conf" >/dev/null
  echo "own $user postgres" | as tee "$srv/new/pg_ident.conf" >/dev/null
  as mv "$srv/new" "$srv/data" # last, so that an interrupted initdb leaves nothing half made
}

users() { local cwd; for cwd in /proc/[0-9]*/cwd; do if [[ $cwd -ef $srv/data ]]; then return; fi; done; return 1; }

start() {
  local attempt options log=$srv/log
  options="-c listen_addresses=127.0.0.1 -c unix_socket_directories='$srv' -c unix_socket_permissions=0700"
  [[ $name != test ]] || options+=' -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 -c wal_level=minimal -c max_wal_senders=0'
  # Lock files of a killed server name a process id that may belong to somebody else by now, or to a zombie nobody reaps (in a
  # container); PostgreSQL then refuses to start. No process works in the data folder: nobody needs them.
  if [[ -d /proc/self ]]; then
    for attempt in {1..20}; do users || break; sleep 0.5; done
    users || as find "$srv" -maxdepth 2 '(' -name postmaster.pid -o -name '.s.PGSQL.*' ')' -delete
  fi
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    as tee "$log" </dev/null # only this attempt's messages
    if as "$bin/pg_ctl" -D "$srv/data" -l "$log" -w -t 300 -o "-p $(port) $options" start >/dev/null 2>&1 9>&- && running; then return; fi
    if as grep -qE 'could not bind|Address already in use' "$log"; then new_port
    elif as grep -qE 'pre-existing shared memory|Is another postmaster' "$log"; then sleep 0.5
    else break; fi
  done
  as tail -n 20 "$log" >&2 || true
  if [[ $name == test && -z ${anew:-} ]]; then # written without fsync: a power cut may have broken it, and it holds nothing of worth
    say "starting 'test' anew"
    anew=1; as rm -rf "$srv/data"; init; start; return
  fi
  die "PostgreSQL did not start after $attempt attempts; the end of $log is above"
}

# Repeated at every start: it costs little, and heals a lost password file or an interrupted first start.
prepare() {
  as "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -h "$srv" -p "$(port)" -U postgres postgres >/dev/null <<SQL || die 'could not create role and database'
SELECT 'CREATE ROLE entas' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'entas') \gexec
ALTER ROLE entas LOGIN CREATEDB NOSUPERUSER NOCREATEROLE PASSWORD '$(cat "$dir/password")';
SELECT 'CREATE DATABASE entas OWNER entas' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'entas') \gexec
SQL
}

case $command in
  start)
    find_server || { [[ $name == test ]] && as rm -rf "$srv/data" && find_server; } || install_server
    create
    if command -v flock >/dev/null; then exec 9>"$dir/lock"; flock 9; fi
    if running; then say "'$name' already runs on port $(port)"; exit; fi
    [[ -e $srv/data/PG_VERSION ]] || init
    start
    prepare
    say "'$name' runs on 127.0.0.1:$(port), data in $dir"
    ;;
  url)
    { find_server && running; } || die "no private database '$name' runs for this checkout; start it with: scripts/pg.sh start $name"
    url
    ;;
  stop | drop)
    if [[ -e $srv/data/postmaster.pid ]] && find_server && running; then
      as "$bin/pg_ctl" -D "$srv/data" -m fast -w -t 300 stop >/dev/null || die "could not stop '$name'; see $srv/log"
      say "'$name' stopped"
    fi
    if [[ $command == drop ]]; then rm -rf "$dir"; say "'$name' deleted"; fi
    ;;
esac
