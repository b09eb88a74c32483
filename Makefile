# MrData. `make demo` and `make test` are all that a fresh machine needs: Python 3.11 or newer with its venv module.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test coverage bench faults lint docs clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[demo,test]'
	touch $@

demo: $(VENV)/installed
	@$(BIN)/mrdata demo $(if $(ONCE),--once) $(if $(JSON),--json)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documents as a site, in site/. A link or an anchor that leads nowhere is an error. Needs no network.
docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

test: lint docs
	$(BIN)/pytest -n 2 --dist worksteal tests/unit tests/zone tests/browser tests/faults

coverage: $(VENV)/installed
	$(BIN)/pytest -n 2 --cov --cov-report=term:skip-covered tests/unit tests/zone tests/browser

bench: $(VENV)/installed
	$(BIN)/python -m tests.bench

faults: $(VENV)/installed
	$(BIN)/python -m tests.faults $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS))

clean:
	rm -rf $(VENV) demo-zone site
