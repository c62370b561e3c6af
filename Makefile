# Windlass: every command of the house. `make up` is the one to start with.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
UV := $(RUN) -m uv
READY := $(VENV)/.platform
READY_DEV := $(VENV)/.dev
INSTALL := $(UV) pip install --python $(RUN) --quiet --require-hashes --compile-bytecode
COMPILE := $(UV) pip compile pyproject.toml --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11
WEEK_AGO := date -u -d '7 days ago' +%Y-%m-%d 2>/dev/null || date -u -v-7d +%Y-%m-%d
# What runs side by side is printed one after another, where make can (not before 4.0).
TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
FOLDERS := sdk core activities workflows desktops api replay architecture pages stack e2e acceptance faults bench compose
PYTEST := $(RUN) -m pytest
# Four at a time on two cores, since they wait for a third of their time; nothing in them asserts how long it took
# (`make faults` does, alone). The longest come first, so that none is left alone with a core at the end; conversations under
# a killer wait more than they work, and fill it.
GROUPS := tests-screens tests-api tests-agents tests-faults tests-workflows tests-stack tests-core tests-talks
IN_GROUPS = $(MAKE) --no-print-directory --jobs=4 --keep-going $(GROUPS)

.DEFAULT_GOAL := help
.PHONY: help up demo-desktop desktop-image down status backup restore doctor demo test check check-style check-types check-architecture coverage bench faults fuzz migrate db-reset lock clean $(GROUPS) $(FOLDERS:%=test-%)

help:           ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | awk -F'\t' '{printf "  make %-13s %s\n", $$1, $$2}'

up: $(READY)    ## start everything on this machine and stay in front
	@exec $(RUN) -m stack up

down: $(READY)  ## stop it from another terminal
	@$(RUN) -m stack down

status: $(READY) ## what runs, and where
	@$(RUN) -m stack status

doctor: $(READY) ## what this machine lacks, and how to get it
	@$(RUN) -m stack doctor

backup: $(READY) ## save everything: make backup FILE=windlass.tar.gz
	@$(RUN) -m stack backup "$(FILE)"

restore: $(READY) ## bring a backup back into a stopped home: make restore FILE=windlass.tar.gz
	@$(RUN) -m stack restore "$(FILE)"

demo: $(READY)  ## watch an example run survive a kill -9
	@$(RUN) -m stack.demo

.PHONY: pictures
pictures: $(READY_DEV) ## take the pictures of the documentation anew (needs Chromium)
	@$(RUN) -m tests.pictures

demo-desktop: $(READY) ## watch a model work in a browser in a desktop, through two kill -9
	@$(RUN) -m stack.demo_desktop

desktop-image: ## build the image of desktops; BROWSER= leaves the browser out
	@stack/images/desktop/build.sh

test: check-style ## the gates and every test; the faults in their short form
	@$(IN_GROUPS) check-types check-architecture

tests-api:
	$(PYTEST) tests/api

tests-core:
	$(PYTEST) tests/core tests/replay

# Browsers give up what they load when a container's network comes or goes: whatever makes containers comes after those.
# AFTER_PAGES: a command of .ci/run that ends in &.
FAULTS_IN_CONTAINERS := tests/faults/test_desktops.py
tests-screens:
	$(PYTEST) tests/pages; status=$$?; $(AFTER_PAGES) $(PYTEST) tests/desktops tests/compose $(FAULTS_IN_CONTAINERS) && exit $$status

tests-stack:
	$(PYTEST) tests/e2e tests/stack

tests-agents:
	$(PYTEST) tests/activities tests/sdk

tests-workflows:
	$(PYTEST) tests/workflows

TALKS := tests/faults/test_sessions.py
tests-talks:
	$(PYTEST) $(TALKS)

tests-faults:
	$(PYTEST) tests/acceptance tests/faults --ignore=$(FAULTS_IN_CONTAINERS) --ignore=$(TALKS)

check: check-style ## the gates: format, lint, types, layers, architecture
	@$(MAKE) --no-print-directory --jobs=2 $(TOGETHER) check-types check-architecture

check-style: $(READY_DEV)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .

check-types:
	$(VENV)/bin/pyright

check-architecture:
	$(VENV)/bin/lint-imports
	$(PYTEST) -q tests/architecture

$(FOLDERS:%=test-%): test-%: $(READY_DEV)
	$(PYTEST) tests/$*

coverage: $(READY_DEV) ## every test, with the branches it covers
	$(RUN) -m coverage erase
	@$(IN_GROUPS) PYTEST="$(RUN) -m coverage run -m pytest"
	$(RUN) -m coverage combine --quiet
	$(RUN) -m coverage report --skip-covered

faults: $(READY_DEV) ## every fault, in full
	WINDLASS_FAULTS=full $(PYTEST) tests/faults

fuzz: $(READY_DEV) ## ask every operation of the API forty times what its schema allows and forty times what it forbids
	WINDLASS_FAULTS=full $(PYTEST) tests/api/test_openapi.py

bench: $(READY_DEV) ## measure speed and size; writes tests/bench/results/latest.json
	$(RUN) -m tests.bench

migrate: $(READY) ## bring the database of WINDLASS_DATABASE_URL to the newest schema
	$(RUN) -m windlass.core.migrations upgrade

db-reset: $(READY) ## throw this home's data away (asks first; YES=1 does not ask)
	@$(RUN) -m stack reset $(if $(YES),--yes)

lock: $(READY_DEV) ## resolve the dependencies again; nothing younger than seven days
	rm -f stack/locks/*.txt
	$(COMPILE) --exclude-newer $$($(WEEK_AGO)) -o stack/locks/sdk.txt
	$(COMPILE) --exclude-newer $$($(WEEK_AGO)) --extra platform -o stack/locks/platform.txt
	$(COMPILE) --exclude-newer $$($(WEEK_AGO)) --extra platform --group dev -o stack/locks/dev.txt

clean:          ## remove what can be made again: the environment and caches, no data
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache htmlcov .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv comes first, at the version and hash of our own lock; it installs the rest.
$(VENV)/.uv: stack/locks/platform.txt stack/install.sh
	@PYTHON="$(PYTHON)" sh stack/install.sh $(VENV)
	@touch $@

$(READY): $(VENV)/.uv stack/locks/platform.txt
	@echo "Installing the platform into $(VENV)…"
	@$(INSTALL) -r stack/locks/$$(test -f $(READY_DEV) && echo dev || echo platform).txt
	@$(RUN) -m compileall -q windlass workflows activities workers api stack
	@$(RUN) -m stack.environment
	@ln -sf ../base-env/bin/windlass $(VENV)/bin/windlass
	@touch $@

$(READY_DEV): $(READY) stack/locks/dev.txt
	@echo "Installing what tests need…"
	@$(INSTALL) -r stack/locks/dev.txt
	@touch $@
