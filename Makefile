# make bench · make test · make site · make check. Everything is installed into .venv first; nothing else is needed.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
VERSION = $(shell $(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
MACHINE ?= local
CONTENTS ?= noise,natural
PROFILE ?= full
TABLE ?= --rounds 3
ASV := TMPDIR=$(CURDIR)/.asv/tmp VIDFORMATS_CONTENTS=$(CONTENTS) $(BIN)/asv
LOCAL := .asv/local

.PHONY: bench test check site record clean

bench: $(VENV)/.bench
	mkdir -p .asv/tmp $(LOCAL)
	$(BIN)/python -m vidformats.history.runner $(MACHINE)
	VIDFORMATS_PROFILE=$(PROFILE) $(ASV) run --machine $(MACHINE) -E virtualenv:$(VERSION) --skip-existing-successful \
		--bench '^formats' --show-stderr 'HEAD^!' || test $$? = 1
	$(MAKE) --no-print-directory site
	TMPDIR=$(CURDIR)/.asv/tmp $(BIN)/vidformats table --content noise --content natural $(TABLE) \
		--json $(LOCAL)/table.json --plot $(LOCAL)/table.png
	@echo
	@echo "The figures: $(LOCAL)/table.json; the plot: $(LOCAL)/table.png"
	@echo "The site:    .asv/html; look at it with: $(BIN)/asv preview"

site: $(VENV)/.bench
	$(BIN)/vidformats site

# A history: the loads at eight commits, and all that the landing page draws at the youngest. About ten minutes.
# SINCE is the first commit that has what the benchmarks need.
SINCE ?= b76ee69
RECORD := VIDFORMATS_PROFILE=short TMPDIR=$(CURDIR)/.asv/tmp $(BIN)/vidformats record
record: $(VENV)/.bench
	mkdir -p .asv/tmp
	$(RECORD) --commits 8 --since $(SINCE) --bench '^formats.Ours.(time_load|track_disk)'
	$(RECORD) --commits 1 --bench '^formats' --bench '^load.*time_load'

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# PyTorch's CPU build is a file for Python 3.11 only; elsewhere the tests that need it are skipped, and say so.
$(VENV)/.test: setup.cfg $(VENV)/.bench
	$(BIN)/python -m pip install -q -e '.[test]'
	if [ "$(VERSION)" = 3.11 ]; then $(BIN)/python -m pip install -q torch==2.13.0; fi
	touch $@

$(VENV)/.bench: setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -e '.[bench,arrays]'
	touch $@

clean:
	rm -rf $(VENV) .asv/env .asv/html .asv/tmp $(LOCAL)
