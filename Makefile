# make bench · make test · make site · make check. Each first installs what it needs: into .venv, and by apt the system
# libraries of OpenCV if they are missing and you are root. Only Python with its venv module, make and git must be there.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
VERSION = $(shell $(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
MACHINE ?= local
CONTENTS ?= noise,natural
PROFILE ?= full
TABLE ?= --rounds 3
# The exact versions of all that is installed, in asv's environment too. `make test CONSTRAINTS=` tries the newest.
CONSTRAINTS ?= constraints.txt
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q $(if $(CONSTRAINTS),-c $(CONSTRAINTS) --build-constraint $(CONSTRAINTS))
# asv looks for pythonX.Y on PATH: that of .venv, not another that happens to come first.
ASV := PATH="$(CURDIR)/$(BIN):$$PATH" $(if $(CONSTRAINTS),PIP_CONSTRAINT=$(abspath $(CONSTRAINTS))) \
	TMPDIR=$(CURDIR)/.asv/tmp VIDFORMATS_CONTENTS=$(CONTENTS) $(BIN)/asv
# Programs and modules, separated by commas, whose absence fails the tests instead of skipping those that need them.
REQUIRE ?=
LOCAL := .asv/local

.PHONY: bench test robust check site record constraints clean

bench: $(VENV)/.bench
	mkdir -p .asv/tmp $(LOCAL)
	$(BIN)/python -m vidformats.history.runner $(MACHINE)
	VIDFORMATS_PROFILE=$(PROFILE) $(ASV) run --machine $(MACHINE) -E virtualenv:$(VERSION) --skip-existing-successful \
		--bench '^formats' --show-stderr 'HEAD^!' || test $$? = 1
	TMPDIR=$(CURDIR)/.asv/tmp $(BIN)/vidformats table --content noise --content natural $(TABLE) \
		--json $(LOCAL)/table.json --plot $(LOCAL)/table.png
	$(MAKE) --no-print-directory site
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
	$(RECORD) '$(SINCE)^..HEAD' --steps 8 --bench '^formats.Ours.(time_load|track_disk)'
	$(RECORD) 'HEAD^!' --bench '^formats' --bench '^load.*time_load'

# What is installed here must be importable, or the tests fail. PyTorch is due on Python 3.11 only, where its CPU build is
# a file; elsewhere the tests that need it are skipped, and say so.
EXTRAS := av,dask,distributed,simplejpeg,deflate,hdf5plugin,numcodecs,skimage,xxhash,imageio_ffmpeg,matplotlib,pandas,pyarrow,sklearn
TORCH = $(if $(filter 3.11,$(VERSION)),torch)

# --max-worker-restart=0: with --dist loadfile, xdist waits for ever after it has replaced a worker that crashed.
test: check
	VIDFORMATS_REQUIRE=$(EXTRAS),$(TORCH),$(REQUIRE) $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0

# Random files and their damages against the libraries' own readers, for as long as you like: make robust MINUTES=60
MINUTES ?= 10
SEED ?= 0
robust: $(VENV)/.test
	$(BIN)/python -m tests.differential --minutes $(MINUTES) --seed $(SEED)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.test: $(VENV)/.bench
	$(PIP) -e '.[test]' $(TORCH:%=%==2.13.0)
	touch $@

$(VENV)/.bench: setup.cfg pyproject.toml $(CONSTRAINTS) .ci/opencv.py
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 or newer, found none"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) pip
	$(PIP) -e '.[bench,codecs,arrays]'
	$(BIN)/python .ci/opencv.py
	touch $@

# Moves every version to the newest that installs on the oldest Python. Then: look at the difference, move the matrix of
# asv.conf.json along, run both commands, and commit.
constraints:
	rm -rf $(VENV)-newest
	python3.11 -m venv $(VENV)-newest
	$(VENV)-newest/bin/python -m pip install -q --upgrade pip setuptools wheel
	$(VENV)-newest/bin/python -m pip install -q -e '.[test]' torch==2.13.0
	$(VENV)-newest/bin/python -m pip freeze --all --exclude-editable | grep -v '^torch=' >constraints.txt
	rm -rf $(VENV)-newest

clean:
	rm -rf $(VENV) .asv/env .asv/html .asv/tmp $(LOCAL)
