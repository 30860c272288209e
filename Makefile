# The commands of this project; `make help` lists them.  The work of setting up is tools/setup.sh.

PYTHON ?=
ARGS ?=
# Processes that test.  The tests wait more than they calculate: for servers, and for GRAM's polls.
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 4 ? 2 * n : n > 8 ? 8 : n)))
# A crash ends the run: when it is to go on with another process, --dist loadfile may wait for ever.
PYTEST = $(BIN)/pytest -n $(WORKERS) --max-worker-restart=0
BIN := .venv/bin

export PYTHON

.PHONY: help setup demo test test-native soak lint bench api-map clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 22
	@echo
	@echo '  PYTHON=python3.12 chooses the interpreter; ARGS=... is passed on to the program that runs.'

setup: ## install what is missing (system packages, .venv) and build
	@tools/setup.sh

demo: setup ## a grid on this machine, and a tour of it
	@$(BIN)/cogkit demo $(ARGS)

test: test-native ## every test (ARGS='-k name' chooses among the Python ones)
	@tools/setup.sh test
	@$(PYTEST) --dist loadfile --no-loadscope-reorder $(ARGS)

soak: setup ## the endurance that `make test` has only a short form of
	@tools/setup.sh test
	@$(PYTEST) --dist load -m soak $(ARGS)

test-native: setup ## the C shim alone, under the address, undefined-behaviour and thread sanitizers
	@$(MAKE) --no-print-directory -j $(shell nproc) -C tests/native test

lint: setup ## format, lint, types, and the stub of the border
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python tools/native_stub.py --check

bench: ## measure, also against other clients (installs them)
	@tools/setup.sh bench
	@$(BIN)/python -m benchmarks $(ARGS)

api-map: setup ## which functions of the Globus headers are mapped
	@$(BIN)/python tools/api_map.py $(ARGS)

clean: ## remove what was built, and .venv
	@rm -rf .venv .setup build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@rm -f src/pyGlobus/_native/_border.abi3.so
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
