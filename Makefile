# make run       run the default studies on all cores, write results/report.html, print the verdicts (also if jobs fail)
# make check     check the models and data of a study in seconds:   make check STUDY=mine
# make plan      list the jobs of a run with their cores, memory and hours   (PROFILE=slurm for the other profile)
# make unlock    unlock the folder after a `kill -9` of Snakemake, before the next run
# make env       create .venv from the hash-pinned locks in envs/            (GPU=cuda12 adds JAX for GPUs)
# make test      run the tests                  make coverage   the same, with line and branch coverage
# make lint      run all linters: ruff, snakefmt, snakemake --lint, codespell, mypy, import-linter
# make types     run mypy alone                 make layers     run import-linter alone
# make docs      build the documentation into docs/_build/html, with warnings as errors
# make lock      resolve envs/*.in again
# Each target creates .venv first if it is missing or out of date.
# run, plan and unlock take STUDIES: make run STUDIES=mine        (several: STUDIES="line hogg")

STUDIES ?=
STUDY ?= $(STUDIES)
PROFILE ?= slurm-generic
config = $(if $(strip $(STUDIES)),--config studies="$(STUDIES)")
studies = $(or $(strip $(STUDIES)),all)
# After a run in which jobs failed it lists the files that the report can show.
files = results/logs/report.files
# Succeeds if the report shows these studies and is newer than all of its inputs, since writing a report takes seconds.
current = ! test -f $(files) && echo '$(studies)' | cmp -s - results/logs/report.studies && test -z "$$(find config workflow results -type f \
	-newer results/report.html -not -path 'results/logs/*' -not -name '*.pyc' 2>&1 | head -n 1)"
unexport PYTHONDONTWRITEBYTECODE
SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run plan check test coverage lint types layers docs env lock unlock

run: .venv/ready
	@rm -f $(files)
	@snakemake --cores all --quiet host reason $(config) || test -f $(files)
	@python workflow/scripts/verdicts.py results/verdicts.csv
	@$(current) || { snakemake --cores 1 $(config) --quiet all --report results/report.html -- $$(cat $(files) 2>&-) \
		2> results/logs/report.log && echo '$(studies)' > results/logs/report.studies \
		|| { cat results/logs/report.log; exit 1; }; }
	@echo "The report: results/report.html"
	@! test -f $(files) || { echo "Jobs failed. The messages are above, and on the first page of the report."; exit 1; }

test: .venv/ready
	@python -m pytest $(PYTEST)

coverage: .venv/ready
	@python -m pytest --cov --cov-report=term-missing:skip-covered --cov-report=html $(PYTEST)

plan: .venv/ready
	@PYTHONPATH=workflow/lib python -m posterity plan --workflow-profile workflow/profiles/$(PROFILE) $(config)

unlock: .venv/ready
	@snakemake --unlock $(config)

check: .venv/ready
	@PYTHONPATH=workflow/lib python -m posterity check $(STUDY)

lint: .venv/ready types layers
	@ruff check .
	@ruff format --check .
	@snakefmt --check Snakefile workflow
	@codespell
	@snakemake --lint

types: .venv/ready
	@mypy

layers: .venv/ready
	@lint-imports

# -E reads all pages again. Otherwise Sphinx omits the warnings of unchanged pages.
docs: .venv/ready
	@sphinx-build -E -W --keep-going -q -b html -d docs/_build/doctrees docs docs/_build/html
	@echo "The documentation: docs/_build/html/index.html"

env: .venv/ready
	@$(if $(GPU),envs/setup.sh $(GPU))
.venv/ready: envs/posterity.lock envs/build.lock envs/uv.lock envs/setup.sh
	@envs/setup.sh

lock: .venv/ready
	@envs/lock.sh
