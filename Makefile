# `make` lists the targets. Everything is relative to this folder, whose path may contain spaces.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first of these that is Python 3.11 or newer; `make PYTHON=/path/to/python ...` overrides.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check
INSTALLED := .venv/.installed
HOME_DIR := data/dagster_home
WITH_HOME := DAGSTER_HOME="$(CURDIR)/$(HOME_DIR)"
HOST := 127.0.0.1
PORT := 3000
COMPOSE := docker compose
PROFILES := dagster api
PAGES := ohlcv_assets/web/index.html
NODE_MODULES := web/node_modules/.installed
# Node of the package index lies in .venv where the machine has none, or an old one.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web --silent
NODE_IS_FIT := const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit((a === 20 && b >= 19) || (a === 22 && b >= 13) || a >= 24 ? 0 : 1)

.PHONY: help install home demo test lint types cover web webtest dev serve bench up down logs docker-ready clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

install: $(INSTALLED) ## Make .venv with every dependency at its pinned version

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python." >&2; exit 2; }
	@echo "Installing into .venv (a few minutes the first time) ..."
	@"$(PYTHON)" -m venv .venv
	@$(PIP) install -c constraints.txt hatchling editables
	@$(PIP) install -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $(INSTALLED)

home: $(INSTALLED)
	@$(PY) -m ohlcv_assets.orchestration.home "$(CURDIR)/$(HOME_DIR)"

demo: home ## A week of 2024 through the real Dagster job, then a look at it
	@$(WITH_HOME) $(BIN)/ohlcv demo

test: install lint types webtest cover ## Lint, format, types, import rules, all tests, 100 % coverage

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(INSTALLED)
	$(PY) -m mypy

web: $(PAGES) ## Build the chart page and datafeed.js into the package

$(PAGES): $(NODE_MODULES) $(shell find web -name node_modules -prune -o -name coverage -prune -o -type f -print)
	@$(NPM) run build

$(NODE_MODULES): $(INSTALLED) web/package-lock.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" node -e '$(NODE_IS_FIT)' 2>/dev/null || { \
		echo "Installing Node into .venv ..."; $(PIP) install -c constraints.txt --no-build-isolation -e '.[web]'; }
	@$(NPM) ci
	@touch $(NODE_MODULES)

webtest: $(PAGES) ## Format, lint, types and unit tests of the pages
	@$(NPM) run check

# Two legs: everything as users run it, then the bodies of compiled kernels without compilation.
cover: $(INSTALLED)
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest -n 2
	NUMBA_DISABLE_JIT=1 $(PY) -m coverage run -m pytest -m kernels -q
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

dev: home ## Dagster UI and daemon on 127.0.0.1:3000, history kept under data/
	$(WITH_HOME) $(BIN)/dagster dev -w workspace.yaml -h $(HOST) -p $(PORT)

serve: $(PAGES) ## The chart and the HTTP API on 127.0.0.1:8000, its documentation at /docs
	@$(BIN)/ohlcv serve

bench: $(INSTALLED) ## The benchmark table of docs/performance.md
	$(BIN)/ohlcv bench

up: docker-ready ## InfluxDB in Docker on 127.0.0.1:8086; WITH=dagster adds Dagster (3000), WITH=api the chart (8000)
	@test -z "$(filter-out $(PROFILES),$(WITH))" || { \
		echo "WITH=$(WITH) is not known: dagster, api, or both as WITH='dagster api', or leave it out." >&2; exit 2; }
	@test -z "$(WITH)" || ! $(COMPOSE) $(WITH:%=--profile %) config | grep -qE '^ {4,}OHLCV_INFLUX_TOKEN: *(null|"")$$' || { \
		echo "$(WITH) needs OHLCV_INFLUX_TOKEN: first 'make up' and 'ohlcv influx setup', then this again." >&2; exit 2; }
	@$(COMPOSE) $(WITH:%=--profile %) up --detach --wait $(if $(WITH),--build)

down: docker-ready ## Stop what `make up` started; its data stay
	@$(COMPOSE) $(PROFILES:%=--profile %) down

logs: docker-ready ## Follow what the containers of `make up` print
	@$(COMPOSE) $(PROFILES:%=--profile %) logs --follow --tail 100

docker-ready:
	@$(COMPOSE) version >/dev/null 2>&1 || { echo "'$(COMPOSE)' cannot be run: install Docker with its compose plugin," \
		"or start InfluxDB without it (docs/influxdb.md)." >&2; exit 2; }
	@said=$$($(COMPOSE) ps 2>&1 >/dev/null) || { echo "Docker cannot be used: $$said" >&2; exit 2; }

clean: ## Remove the virtual environment and caches, never data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* web/node_modules web/coverage ohlcv_assets/web
