# Promises one short command for each thing that is done often; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
# rustup's folder is often missing from the PATH of services and CI.
export PATH := $(PATH):$(HOME)/.cargo/bin
export CARGO

.PHONY: help run test db-url db-stop bench openapi docs fmt deny setup

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

run: ## install what is missing, start the private database and the service with demo data (ENTAS_PROFILE=dev builds faster)
	@scripts/run.sh

test: ## everything CI checks: format, lints, licences, tests, contract
	@scripts/test.sh

db-url: ## print the private database's address and nothing else
	@scripts/pg.sh url run

db-stop: ## stop the private databases; their data stay
	@for name in run test bench; do scripts/pg.sh stop $$name; done

bench: ## the benchmarks, on a private durable database
	@trap 'scripts/pg.sh stop bench' EXIT; scripts/pg.sh start bench; \
	ENTAS_TEST_DATABASE_URL=$$(scripts/pg.sh url bench) $(CARGO) bench --locked

openapi: ## write openapi/openapi.json from the code
	@mkdir -p openapi .entas
	@$(CARGO) run --locked --quiet -- openapi > .entas/openapi.json
	@mv .entas/openapi.json openapi/openapi.json

docs: openapi ## write the generated documents: openapi/openapi.json, docs/ROLES.md
	@$(CARGO) run --locked --quiet -- roles > .entas/ROLES.md
	@mv .entas/ROLES.md docs/ROLES.md

fmt: ## format the code
	@$(CARGO) fmt

deny: ## check licences, bans and sources of all dependencies
	@deny=$$(scripts/setup.sh deny); "$$deny" check --hide-inclusion-graph licenses bans sources

setup: ## install the tools for building and testing, or say which are missing
	@scripts/setup.sh all
