# The commands of this project; `make help` lists them.  The work of setting up is tools/setup.sh.

PYTHON ?=
ARGS ?=
BIN := .venv/bin

export PYTHON

.PHONY: help setup demo test test-native lint bench api-map clean

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
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart=0 $(ARGS)

test-native: setup ## the C shim alone, under the address, undefined-behaviour and thread sanitizers
	@$(MAKE) --no-print-directory -C tests/native test

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
