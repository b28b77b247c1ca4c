# Every target is a line or two that README.md also shows by hand.
PYTHON ?= python3
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores all

.PHONY: help install demo reproduce test long chaos cluster gpu bench audit lock schema clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed  ## create .venv from the pinned, hashed lock
.venv/installed: envs/lock.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/lock.txt
	touch $@

demo: install  ## a real study on handwritten digits, in minutes, without any download
	$(SNAKEMAKE) --configfile workflow/studies/demo.yaml
	@echo "The report: $(CURDIR)/reports/demo/report.html"

reproduce: install  ## the article's study: 24 cells on CIFAR-10; wants a GPU
	$(SNAKEMAKE)
	@echo "The report: $(CURDIR)/reports/article/report.html"

test: install  ## everything that continuous integration runs
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long" --durations=15

long: install  ## the first hundred steps of the article's network at full width, each method: half an hour on a CPU
	$(BIN)/python -m pytest -m long tests/unit

chaos: install  ## the long form of the chaos tests: kills, full disks, damaged files
	SMALLMIX_CHAOS_KILLS=50 $(BIN)/python -m pytest -n 2 --dist loadgroup tests/chaos

cluster: install  ## the long form of the cluster tests, on a real Slurm on this machine
	$(BIN)/python -m pytest tests/cluster --durations=20

gpu: install  ## what needs a CUDA card: its tests, then its part of the benchmark (under 9 minutes)
	$(BIN)/python -m pytest tests/gpu -m "not long"
	PYTHONPATH=workflow $(BIN)/python -m smallmix benchmark --only gpu --output reports/bench

bench: install  ## measure speed against a reference, side by side; writes reports/bench
	PYTHONPATH=workflow $(BIN)/python -m smallmix benchmark --output reports/bench

audit: install  ## known vulnerabilities of the locked packages (asks the package index)
	$(BIN)/pip-audit --require-hashes --disable-pip -r envs/lock.txt

lock:  ## resolve the pinned packages anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate -o envs/lock.txt

schema:  ## write the JSON schema of configurations, which editors read, from its model
	PYTHONPATH=workflow $(BIN)/python -m smallmix resolve-study --schema --output workflow/schemas/config.schema.yaml

clean:  ## remove what runs made (arrays, results, logs, reports of studies); your files, downloads, .venv stay
	PYTHONPATH=workflow $(PYTHON) -m smallmix clean
