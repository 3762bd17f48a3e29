# Promises one short command for each thing that is done often; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
# rustup's folder is often missing from the PATH of services and CI.
export PATH := $(PATH):$(HOME)/.cargo/bin
export CARGO

.PHONY: help run test db-url db-stop bench bench-linkage bench-runs bench-files docs fmt deny setup

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run: ## install what is missing, start the private database and the service with demo data (ENTAS_PROFILE=dev builds faster)
	@scripts/run.sh

test: ## everything CI checks: format, lints, licences, tests, contract
	@scripts/test.sh

db-url: ## print the private database's address and nothing else
	@scripts/pg.sh url run

db-stop: ## stop the private databases; their data stay
	@for name in run test bench; do scripts/pg.sh stop $$name; done

bench: ## measure beside pgbench and \copy on a private durable database; writes docs/BENCHMARKS.md
	@scripts/bench.sh

bench-linkage: ## measure entas link beside Splink 4 on the same files and core; writes a section of docs/BENCHMARKS.md
	@scripts/bench-linkage.sh

bench-runs: ## measure matching runs of the service beside entas link on the same registers; writes a section of docs/BENCHMARKS.md
	@scripts/bench-runs.sh

bench-files: ## read the largest files through the release build and hold its memory to docs/OPERATIONS.md (minutes)
	@scripts/bench-files.sh

docs: ## write the generated texts: openapi/openapi.json, docs/ROLES.md, tests/snapshots/codes.txt
	@ENTAS_WRITE_SNAPSHOTS=1 $(CARGO) test --locked --quiet --test api contract::

fmt: ## format the code
	@$(CARGO) fmt

deny: ## check licences, bans and sources of all dependencies
	@deny=$$(scripts/setup.sh deny); "$$deny" check --hide-inclusion-graph licenses bans sources

setup: ## install the tools for building and testing, or say which are missing
	@scripts/setup.sh all
