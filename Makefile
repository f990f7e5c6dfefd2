# Everything a fresh machine needs. `make demo` trains a small model; `make test` runs the suite.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types fuzz kills bench bench-grid reproduce dist clean

demo: $(STAMP)
	$(BIN)/guerdon train --out runs/demo-$$(date +%Y%m%d-%H%M%S)

# A process of tests for each processor, each with one thread.
test: $(STAMP) lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks scripts
	$(BIN)/ruff format --check src tests benchmarks scripts

types: $(STAMP)
	$(BIN)/mypy

# Hostile completions, files, recipes and requests for MINUTES; findings and figures go to OUT.
MINUTES ?= 60
OUT ?= runs/fuzz-$$(date +%Y%m%d-%H%M%S)
fuzz: $(STAMP)
	PYTHONPATH=tests OMP_NUM_THREADS=1 nice -n 19 $(BIN)/python -m hostile.fuzz \
		--minutes $(MINUTES) --out $(OUT)

# Runs that are killed, interrupted or out of disk at named moments (five minutes for each kind).
kills: $(STAMP)
	cd tests && ../$(BIN)/python -m kills

# A step against TRL's on equal work, and the growth curves (a quarter of an hour).
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/grpo_against_trl.py

bench-grid: $(VENV)/.bench
	$(BIN)/python benchmarks/grpo_against_trl.py --grid --model 2M 25M --prompts 2 --rounds 3 \
		--warm-up 1 --out benchmarks/results/grpo-grid.json

# Every claim again whose result is not of today's code (an hour and more), and which verdicts stand;
# begun again, it goes on. It records nothing.
reproduce: $(STAMP)
	$(BIN)/guerdon reproduce --all

# torch is asked for by exact version first: other requests may pull gigabytes of GPU packages.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e '.[dev,reasoning-gym,metrics,language]'
	touch $(STAMP)

# The bench extra lives in the same environment: its pins agree with ours.
$(VENV)/.bench: $(STAMP)
	$(BIN)/pip install -q -c constraints.txt -e '.[bench]'
	touch $@

# A wheel and an sdist in dist/, and a run with the wheel in an environment of its own.
dist: $(STAMP)
	rm -rf dist build/fresh build/run
	$(BIN)/python -m hatchling build
	$(PYTHON) -m venv build/fresh
	build/fresh/bin/pip install -q -c constraints.txt torch
	build/fresh/bin/pip install -q -c constraints.txt dist/*.whl
	cd build && fresh/bin/guerdon train --steps 2 --out run

clean:
	rm -rf $(VENV) build dist
