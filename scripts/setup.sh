#!/usr/bin/env bash
# Promises the tools that building and testing need: installed when they are missing, or else named with what to do.
#
#   scripts/setup.sh build      a C compiler, make, curl, Rust as rust-toolchain.toml wants it
#   scripts/setup.sh deny       cargo-deny; prints its path
#   scripts/setup.sh contract   schemathesis in its own Python environment; prints its path
#   scripts/setup.sh all        everything (the default)
#
# The last two live in a cache folder shared by all checkouts: ENTAS_TOOLS_DIR, or ~/.cache/entas.
set -euo pipefail
cd "$(dirname "$0")/.."

DENY_VERSION=0.20.2 # the newest on PyPI, 0.14, does not know the licence Unicode-3.0; so it is built, once (about 4 minutes on one core)
SCHEMATHESIS_VERSION=4.32.5

tools=${ENTAS_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/entas}
PATH=$PATH:$HOME/.cargo/bin
say() { echo "setup.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# packages WHY NAME...: Debian packages, installed when we may and else asked for.
packages() {
  local why=$1; shift
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then die "$why: install it first (on Debian or Ubuntu: sudo apt-get install $*)"; fi
  say "$why: installing $*"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } >&2 </dev/null || die "apt-get could not install $*"
}

build() {
  local missing=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v make >/dev/null || missing+=(make)
  command -v curl >/dev/null || missing+=(curl ca-certificates)
  [[ ${#missing[@]} -eq 0 ]] || packages 'a build tool is missing' "${missing[@]}"

  local wanted found
  wanted=$(sed -n 's/^channel *= *"\([0-9]*\.[0-9]*\).*/\1/p' rust-toolchain.toml)
  command -v cargo >/dev/null || die "cargo is missing: Rust $wanted is needed.
  Install rustup (Debian 13 or newer, Ubuntu 24.04 or newer: apt-get install rustup; elsewhere, Debian 12 included: the installer
  that the Rust project's home page offers), open a new shell and run this again: rustup fetches the version in rust-toolchain.toml.
  Debian 12's own package 'cargo' is too old."
  found=$(cargo --version 2>/dev/null | cut -d' ' -f2) || die "cargo does not run here; with rustup: rustup toolchain install $wanted"
  [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n1) == "$wanted" ]] || die "Rust $wanted is needed, cargo here is $found; use rustup, or upgrade it"
}

deny() {
  local at=$tools/cargo-deny-$DENY_VERSION
  if [[ ! -x $at/bin/cargo-deny ]]; then
    if [[ $(cargo deny --version 2>/dev/null) == "cargo-deny $DENY_VERSION" ]]; then command -v cargo-deny; return; fi
    build
    say "building cargo-deny $DENY_VERSION into $at, once"
    ${CARGO:-cargo} install --quiet --locked "cargo-deny@$DENY_VERSION" --root "$at" >&2 || die 'cargo-deny could not be built'
  fi
  echo "$at/bin/cargo-deny"
}

contract() {
  local at=$tools/schemathesis-$SCHEMATHESIS_VERSION
  if [[ ! -x $at/bin/st ]]; then
    command -v python3 >/dev/null || packages 'Python 3.10 or newer is missing' python3 python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "Python 3.10 or newer is needed, this is $(python3 --version)"
    python3 -c 'import ensurepip' 2>/dev/null || packages "Python's venv is missing" python3-venv
    say "installing schemathesis $SCHEMATHESIS_VERSION into $at, once"
    rm -rf "$at"
    { python3 -m venv "$at" && "$at/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$SCHEMATHESIS_VERSION"; } >&2 \
      || { rm -rf "$at"; die 'schemathesis could not be installed'; }
  fi
  echo "$at/bin/st"
}

case ${1:-all} in
  build) build ;;
  deny) deny ;;
  contract) contract ;;
  all) build; deny; contract; say 'everything is there' ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
