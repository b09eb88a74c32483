# MrData. `make demo` and `make test` are all that a fresh machine needs: Python 3.11 or newer with its venv module.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test coverage bench faults lint docs clean for-demo for-test

for-demo:
	@PYTHON='$(PYTHON)' .ci/environment $(VENV) demo

for-test:
	@PYTHON='$(PYTHON)' .ci/environment $(VENV) demo,test

# make demo ONCE=1 JSON=1 FOLDER=/tmp/demo PORT=8081
demo: for-demo
	@$(BIN)/mrdata demo $(if $(ONCE),--once) $(if $(JSON),--json) $(if $(FOLDER),--folder '$(FOLDER)') $(if $(PORT),--port '$(PORT)')

lint: for-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documents as a site, in site/. A link or an anchor that leads nowhere is an error. Needs no network.
docs: for-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

test: lint docs
	$(BIN)/pytest -n 2 --dist worksteal tests/unit tests/zone tests/browser tests/faults

coverage: for-test
	$(BIN)/pytest -n 2 --cov --cov-report=term:skip-covered tests/unit tests/zone tests/browser

bench: for-test
	$(BIN)/python -m tests.bench

faults: for-test
	$(BIN)/python -m tests.faults $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS))

# A demonstration stays: it may hold files of your own.
clean:
	rm -rf $(VENV) site
	@if [ -e demo-zone ]; then echo "demo-zone/ stays; remove it if it holds nothing of yours: rm -r demo-zone"; fi
