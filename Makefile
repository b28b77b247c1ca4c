# Short names for commands that can also be typed by hand; `make` lists them.
PYTHON ?= python3
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores all
# A machine with a GPU may have PyTorch and no package index: the python that is named, or else .venv where it is there.
GPU_PYTHON = $(if $(filter file,$(origin PYTHON)),$(firstword $(wildcard $(BIN)/python) $(PYTHON)),$(PYTHON))

.PHONY: help install demo reproduce test long mutants chaos cluster gpu bench audit lock columns schema keys commands extending findings studies docs clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed  ## create .venv from the pinned, hashed lock, with the command smallmix
.venv/installed: envs/lock.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: install  ## a real study on handwritten digits: minutes, no download
	$(SNAKEMAKE) --configfile workflow/studies/demo.yaml
	@echo "The report: $(CURDIR)/reports/demo/report.html"

reproduce: install  ## the article's study, 24 cells on CIFAR-10; wants a GPU
	@echo "In bfloat16, the faster arithmetic of most GPUs: $(SNAKEMAKE) --configfile workflow/studies/article-bf16.yaml"
	$(SNAKEMAKE)
	@echo "The report: $(CURDIR)/reports/article/report.html"

test: install  ## everything that continuous integration runs
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long" --durations=15

long: install  ## the article's network at full width, a hundred steps of each method: half an hour on a CPU
	$(BIN)/python -m pytest -m long tests/unit

mutants: install  ## deliberate errors, each in a copy of the project: do the tests notice what a reader would see?
	nice $(BIN)/python -m tests.mutants

chaos: install  ## kill trainings, fill disks, damage files; results must not change
	SMALLMIX_CHAOS_KILLS=50 $(BIN)/python -m pytest -n 2 --dist loadgroup tests/chaos

cluster: install  ## run and break a study on a real Slurm on this machine
	$(BIN)/python -m pytest tests/cluster --durations=20

gpu:  ## what needs a CUDA GPU: its tests, then its part of the benchmark (9 minutes); installs nothing
	$(GPU_PYTHON) -m benchmarks.gpu_run --again --only tests --only benchmark

bench: install  ## measure speed against a reference; writes reports/bench
	$(BIN)/python -m benchmarks

schema: install  ## write the schemas that editors read anew from the models
	PYTHONPATH=workflow $(BIN)/python -m smallmix.study.config_model

keys: install  ## write docs/configuration.md, the reference of the configuration's keys, from their schema
	PYTHONPATH=workflow $(BIN)/python -m smallmix.study.key_reference > docs/configuration.md

commands: install  ## write docs/commands.md, the reference of the commands, from their parsers
	PYTHONPATH=workflow $(BIN)/python envs/docs/commands_page.py > docs/commands.md

extending: install  ## write the lists of methods and networks in docs/extending.md from the code
	PYTHONPATH=workflow $(BIN)/python envs/docs/extending_page.py docs/extending.md

findings: install  ## write docs/findings.md and its figures from the kept tables under reports/reference
	PYTHONPATH=workflow $(BIN)/python -m envs.docs.findings_page reports/reference docs

# The second pass judges the claims of studies that are compared with one that was run after them. It trains nothing.
DIGITS := demo methods curve-digits random-digits balance-digits dip-digits dip-digits-longer beta-digits weight-digits larger-share-digits \
  calmer-digits-decay-5e-4 calmer-digits-decay-1e-3 calmer-digits-cosine random-digits dip-digits
studies: install  ## the questions of docs/findings.md on handwritten digits: an hour of one core, no download
	set -e; for study in $(DIGITS); do $(SNAKEMAKE) --configfile workflow/studies/$$study.yaml; done
	@echo "The reports: $(CURDIR)/reports/<study>/report.html"

docs: install  ## build the documentation as a site, without network, into build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --config-file envs/docs/mkdocs.yml
	@echo "The first page: $(CURDIR)/build/docs/index.html (its search works where a server serves it)"

audit: install  ## look up known vulnerabilities of the locked packages (asks the package index)
	$(BIN)/pip-audit --require-hashes --disable-pip -r envs/lock.txt

lock:  ## pin the packages of pyproject.toml anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate -o envs/lock.txt

columns: install  ## write docs/columns.md, the reference of the tables' columns, from their declarations
	PYTHONPATH=workflow $(BIN)/python -m smallmix.tables.column_reference > docs/columns.md

clean:  ## remove what runs made; your files, downloads and .venv stay
	$(PYTHON) workflow clean
